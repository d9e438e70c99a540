"""`python -m flows.server.serve SOCKET`: Prefect's API on a bound socket."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path

from bertdata.errors import BertdataError
from bertdata.storage.locks import hold

_Message = MutableMapping[str, object]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]

# How long to wait for other servers that prepare the database: the first takes 15 s or more.
_PATIENCE_SECONDS = 120.0


def main() -> None:
    """Serve until a signal. The argument is the file number of an open socket."""
    gc.disable()  # imports make many objects and little garbage
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_HOME

    application = _one_start_at_a_time(create_app(), PREFECT_HOME.value())
    config = uvicorn.Config(application, lifespan="on", log_level="critical")
    gc.freeze()
    gc.enable()
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def _one_start_at_a_time(application: _Application, home: Path) -> _Application:
    """The same ASGI application, but only one with the same `home` starts at a time.

    Servers that create the tables of one SQLite database at the same time disturb each other. An
    application that cannot start prints the reason on standard error.
    """
    lock = contextlib.ExitStack()

    async def serve(scope: _Message, receive: _Receive, send: _Send) -> None:
        async def send_and_release(message: _Message) -> None:
            lock.close()
            if message["type"] == "lifespan.startup.failed":
                print(message.get("message", ""), file=sys.stderr, flush=True)
            await send(message)

        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        with lock:
            with contextlib.suppress(BertdataError):  # it has waited long enough
                lock.enter_context(hold(home, _PATIENCE_SECONDS))
            await application(scope, receive, send_and_release)

    return serve


if __name__ == "__main__":
    main()
