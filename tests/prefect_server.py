"""A Prefect server as users start it, with its web pages, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.process_tree import marked, wait_until_gone

_SCRIPTS = Path(sys.executable).parent
_SECONDS = 180


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run a command meanwhile; yields the mark of its processes, which all end with it."""
    environment, mark = marked(environment)
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, cwd=log.parent, process_group=0
        ) as process,
    ):
        try:
            yield mark
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert wait_until_gone(mark, 10) == []


@contextlib.contextmanager
def web_server(folder: Path, database: Path) -> Iterator[dict[str, str]]:
    """A server whose records are in `folder`; yields the environment of its clients.

    `database`: one that is copied, with all tables and no records.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # What nothing here uses: blocks and automations.
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(_SCRIPTS / "prefect"), "server", "start", "--port", str(port)]
    (folder / "home").mkdir()
    shutil.copy(database, folder / "home" / "prefect.db")
    with running(command, environment, folder / "server.log"):
        _wait(environment["PREFECT_API_URL"])
        yield environment


def _wait(url: str) -> None:
    deadline = time.monotonic() + _SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), opener.open(f"{url}/health", timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")
