"""A Prefect server for a run that has none: started here, so that it ends with the run.

Prefect would start one itself, but that one survives when the run is killed and keeps the pipes it
inherited, so that readers of the run's output wait forever.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path

from bertdata.errors import BertdataError
from flows.processes.children import child_command, child_environment, end_group

# The first start on a machine prepares Prefect's database, which takes a while on a busy one.
_START_SECONDS = 180.0
_POLL_SECONDS = 0.1
# As Prefect starts its own: without web pages and without the services of a permanent server.
_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
_ERROR = re.compile(r"^[A-Za-z_][\w.]*: .+$", re.MULTILINE)
_DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"


def ensure_server() -> Callable[[], None]:
    """Make sure that Prefect has an API: the user's own if one is set, else a temporary server.

    Returns a function that waits until it answers; flows can be imported in the meantime. Call this
    before importing them: exit functions run in reverse order, and Prefect's sends the last log
    lines, so it must run before the one that ends the server.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        return lambda: None
    _leave_socks_proxy()
    at_exit = contextlib.ExitStack()
    atexit.register(at_exit.close)
    url, wait = at_exit.enter_context(temporary_server())
    at_exit.enter_context(temporary_settings({PREFECT_API_URL: url}))
    return wait


def _leave_socks_proxy() -> None:
    """Prefect's client does not support this kind of proxy, and fails if one is set."""
    for name in ("ALL_PROXY", "all_proxy"):
        if os.environ.get(name, "").lower().startswith("socks"):
            del os.environ[name]


@contextlib.contextmanager
def temporary_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """Start a Prefect server on a free port; yields its API's URL and a function to wait for it."""
    with contextlib.ExitStack() as stack:
        databases = _databases(stack)
        server = stack.enter_context(_Server(next(databases)))
        yield server.url, lambda: _wait(server, databases)


def _wait(server: _Server, databases: Iterator[Path | None]) -> None:
    """Wait until a server answers, with the first database that it can use."""
    while (reason := server.wait()) is not None:
        database = next(databases, None)
        if database is None:
            raise BertdataError(
                f"Prefect's temporary server did not start ({reason}); "
                "set PREFECT_API_URL to one that runs"
            )
        _say(f"Prefect cannot use its database ({reason}), which is left unchanged", database)
        server.start(database)


def _databases(stack: contextlib.ExitStack) -> Iterator[Path | None]:
    """Databases to try: Prefect's own choice (None), then ones that no other version uses."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

    home = PREFECT_HOME.value()
    own = home / f"prefect-{metadata.version('prefect')}.db"
    if PREFECT_API_DATABASE_CONNECTION_URL.value() != _url(home / "prefect.db"):
        yield None  # the user's own
        return
    if _is_of_another_version(home / "prefect.db"):
        _say(
            f"{home / 'prefect.db'} was used by a newer version of Prefect and is left unchanged",
            own,
        )
    else:
        yield None
    yield own
    yield Path(stack.enter_context(tempfile.TemporaryDirectory())) / "prefect.db"


def _is_of_another_version(database: Path) -> bool:
    """Whether a database has tables of a revision unknown to the installed Prefect."""
    revision = _revision(database)
    package = util.find_spec("prefect")
    if revision is None or package is None or package.origin is None:
        return False
    known = Path(package.origin).parent.glob("server/database/_migrations/versions/sqlite/*.py")
    texts = [path.read_text(encoding="utf-8") for path in known]
    return bool(texts) and not any(revision in text for text in texts)


def _revision(database: Path) -> str | None:
    """The revision of a database's tables, or None; reading does not change it."""
    with contextlib.suppress(sqlite3.Error, TypeError):
        uri = f"{database.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(revision)
    return None


def _say(why: str, database: Path) -> None:
    print(f"bertdata: {why}; its records of this run are in {database}", file=sys.stderr)


def _url(database: Path) -> str:
    return f"sqlite+aiosqlite:///{database}"


class _Server:
    """The process of a Prefect server; a context at whose end it ends."""

    def __init__(self, database: Path | None) -> None:
        # The port is bound here and passed to the process, so that no other process can take it.
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed at the end)
        self.start(database)

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        end_group(self._process)
        self._listener.close()
        self._log.close()

    def start(self, database: Path | None) -> None:
        """Start the process. `database`: None for Prefect's own choice."""
        chosen = {} if database is None else {_DATABASE: _url(database)}
        socket_number = self._listener.fileno()
        self._log.truncate(0)
        # Through `children`, which ends it with this process even after SIGKILL.
        self._process = subprocess.Popen(
            child_command("flows.processes.prefect_server", [str(socket_number)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
            env={**child_environment(), **_ENVIRONMENT, **chosen},
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
