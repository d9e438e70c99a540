"""A Prefect server for a run that has none: started here, so that it ends with the run.

Prefect would start one itself, but that one survives when the run is killed and keeps the pipes it
inherited, so that readers of the run's output wait forever.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bertdata.errors import BertdataError
from flows.server.databases import find_databases, say_why
from flows.server.process import ServerProcess

_urls: set[str] = set()  # of the temporary servers that this process has started


def ensure_server() -> Callable[[], None]:
    """Make sure that Prefect has an API: the user's own if one is set, else a temporary server.

    Returns a function that waits until it answers; flows can be imported in the meantime. Call this
    before importing them: exit functions run in reverse order, and Prefect's sends the last log
    lines, so it must run before the one that ends the server.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        return lambda: None
    _leave_socks_proxy()
    at_exit = contextlib.ExitStack()
    atexit.register(at_exit.close)
    server, wait = at_exit.enter_context(temporary_server())
    _urls.add(server.url)
    how = {PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: server.password}
    at_exit.enter_context(temporary_settings(how))
    return wait


def has_own_server() -> bool:
    """Whether this run is seen on a server of the user's own, which lasts longer than the run."""
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    return bool(url) and url not in _urls


def without_heartbeats(unless: bool) -> contextlib.AbstractContextManager[object]:
    """A context in which flows send no heartbeats, `unless` somebody may miss them.

    The thread that sends them may keep a flow waiting at its end, for up to a second.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    if unless:
        return contextlib.nullcontext()
    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


def _leave_socks_proxy() -> None:
    """Prefect's client does not support this kind of proxy, and fails if one is set."""
    for name in ("ALL_PROXY", "all_proxy"):
        if os.environ.get(name, "").lower().startswith("socks"):
            del os.environ[name]


@contextlib.contextmanager
def temporary_server() -> Iterator[tuple[ServerProcess, Callable[[], None]]]:
    """Start a Prefect server on a free port; yields it and a function that waits for it."""
    with contextlib.ExitStack() as stack:
        databases = find_databases(stack)
        server = stack.enter_context(ServerProcess(next(databases)))
        yield server, lambda: _wait(server, databases)


def _wait(server: ServerProcess, databases: Iterator[Path | None]) -> None:
    """Wait until a server answers, with the first database that it can use."""
    while (reason := server.wait()) is not None:
        database = next(databases, None)
        if database is None:
            raise BertdataError(
                f"Prefect's temporary server did not start ({reason}); "
                "set PREFECT_API_URL to one that runs"
            )
        say_why(f"Prefect cannot use its database ({reason}), which is left unchanged", database)
        server.start(database)
