"""A call that needs other processes, for as long as these live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeAlias, TypeVar

from bertdata.errors import CrashError

_T = TypeVar("_T")

# How a process died, such as "was killed by SIGKILL", if one did.
FindDeath: TypeAlias = Callable[[], str | None]

_LOOK_SECONDS = 0.2


def call_watched(function: Callable[[], _T], find_death: FindDeath) -> _T:
    """What a function returns or raises; CrashError as soon as a process that it needs has died.

    The function runs in a thread, which is left behind then.
    """
    future = Future[_T]()
    threading.Thread(target=_call, args=(function, future), daemon=True).start()
    while not future.done():
        wait([future], _LOOK_SECONDS)
        if not future.done():
            _check_lives(find_death)
    if future.exception() is not None:
        time.sleep(_LOOK_SECONDS)  # the system tells of a death after the connections are closed
        _check_lives(find_death)
    return future.result()


def _call(function: Callable[[], _T], future: Future[_T]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


def _check_lives(find_death: FindDeath) -> None:
    if (death := find_death()) is not None:
        raise CrashError(
            f"a worker {death}; if memory ran out, lower [runner] workers; run again to continue"
        )
