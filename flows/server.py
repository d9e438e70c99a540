"""A Prefect server for a run that has none: started here, so that it ends with the run.

Prefect would start one by itself; but that one survives when the run is killed, and holds the pipes
it inherited, so that whoever reads the run's output waits for ever.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

from bertdata.errors import BertdataError
from flows.children import end_group
from pipelines.processes import PARENT

# The first start on a machine prepares Prefect's database, which takes a while on a busy one.
_START_SECONDS = 180.0
_POLL_SECONDS = 0.1
# As Prefect starts its own: without pages, and without the services of a server that stays.
_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}


def ensure_server() -> Callable[[], None]:
    """Give Prefect an API: the user's own where one is set, else a temporary server.

    Returns a function that waits until it answers: flows can be imported meanwhile. To be called
    before that: what is registered last is done first at exit, and Prefect hands its last log
    lines in at exit, so the server must be there until then.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        return lambda: None
    at_exit = contextlib.ExitStack()
    atexit.register(at_exit.close)
    url, wait = at_exit.enter_context(temporary_server())
    at_exit.enter_context(temporary_settings({PREFECT_API_URL: url}))
    return wait


@contextlib.contextmanager
def temporary_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """Start a Prefect server on a free port: the URL of its API, and what waits for it."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    with subprocess.Popen(
        _command(port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **_ENVIRONMENT, PARENT: str(os.getpid())},
        text=True,
    ) as server:
        try:
            yield url, lambda: _wait_until_ready(url, server)
        finally:
            end_group(server)


def _command(port: int) -> list[str]:
    # Through flows.children, which ends it with this process even by SIGKILL.
    application = ["--factory", "prefect.server.api.server:create_app", "--lifespan", "on"]
    address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "critical"]
    return [sys.executable, "-m", "flows.children", "uvicorn", *application, *address]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, server: subprocess.Popen[str]) -> None:
    # The machine's proxy, if it has one, has no part in this.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), opener.open(f"{url}/health", timeout=5):
            return
        time.sleep(_POLL_SECONDS)
    raise BertdataError(
        "Prefect's temporary server did not start; set PREFECT_API_URL to one that runs"
    )
