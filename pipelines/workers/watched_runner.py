"""The embedded runner, for as long as its workers live: it would wait for a dead one for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

_LOOK_SECONDS = 0.2


class WatchedRunner(FnApiRunner):
    """Raises RuntimeError when a worker has died. `find_death`: tells how one did, if one did."""

    def __init__(self, find_death: Callable[[], str | None], **options: Any) -> None:
        super().__init__(**options)
        self._find_death = find_death

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        """Run a pipeline, in a thread that is left behind if a worker dies."""
        return call_watched(
            lambda: FnApiRunner.run_pipeline(self, pipeline, options), self._find_death
        )


def call_watched(function: Callable[[], Any], find_death: Callable[[], str | None]) -> Any:
    """What a function returns or raises; RuntimeError as soon as `find_death` finds something."""
    future = Future[Any]()
    threading.Thread(target=_call, args=(function, future), daemon=True).start()
    while not future.done():
        wait([future], _LOOK_SECONDS)
        if not future.done() and (death := find_death()) is not None:
            raise RuntimeError(f"a worker {death}")
    if future.exception() is not None:
        time.sleep(_LOOK_SECONDS)  # the system tells of a death after the connections are closed
    return future.result()


def _call(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
