"""The process of a temporary Prefect server."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from bertdata.errors import BertdataError
from flows.processes.children import child_command, child_environment
from flows.processes.endings import end_group
from flows.server.databases import database_url

# The first start on a machine prepares Prefect's database, which takes a while on a busy one.
_START_SECONDS = 180.0
_POLL_SECONDS = 0.1
# As Prefect starts its own: without web pages and without the services of a permanent server. Types
# of blocks, which no run uses, are left for a permanent server to add, if it has the same database:
# not memorized as added.
_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
_ERROR = re.compile(r"^[A-Za-z_][\w.]*: .+$", re.MULTILINE)
_DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING"


class ServerProcess:
    """The process of a Prefect server; a context at whose end it ends.

    It answers this machine alone, and only who knows its `password`: others of this machine's users
    reach its port as well.
    """

    def __init__(self, database: Path | None) -> None:
        self.password = f"bertdata:{secrets.token_urlsafe()}"
        # The port is bound here and passed to the process, so that no other process can take it.
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed at the end)
        self.start(database)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        end_group(self._process)
        self._listener.close()
        self._log.close()

    @property
    def for_clients(self) -> dict[str, str]:
        """The settings by which Prefect's clients reach it."""
        return {"PREFECT_API_URL": self.url, "PREFECT_API_AUTH_STRING": self.password}

    def start(self, database: Path | None) -> None:
        """Start the process. `database`: None for Prefect's own choice."""
        chosen = {} if database is None else {_DATABASE: database_url(database)}
        socket_number = self._listener.fileno()
        self._log.truncate(0)
        # Through `children`, which ends it with this process even after SIGKILL.
        self._process = subprocess.Popen(
            child_command("flows.server.serve", [str(socket_number)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
            env={**child_environment(), **_ENVIRONMENT, _PASSWORD: self.password, **chosen},
            pass_fds=[socket_number],
            text=True,
        )

    def wait(self) -> str | None:
        """Wait until it answers; returns the reason if it ended instead."""
        # Without the machine's proxy, if it has one.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return self._reason()
            with contextlib.suppress(OSError), opener.open(f"{self.url}/health", timeout=5):
                self._listener.close()  # from now on connections are refused if it has died
                return None
            time.sleep(_POLL_SECONDS)
        raise BertdataError(
            f"Prefect's temporary server did not answer within {_START_SECONDS:.0f} s; "
            "set PREFECT_API_URL to one that runs"
        )

    def _reason(self) -> str:
        """The last error that it printed, as in the last line of a traceback."""
        self._log.seek(0)
        errors = _ERROR.findall(self._log.read().decode(errors="replace"))
        return errors[-1].strip() if errors else "it printed no reason"
