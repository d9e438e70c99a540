"""A timer that acts after a long silence."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Watchdog:
    """Calls `bite`, once and in a thread of its own, after `seconds` without a `pat`.

    0 seconds: never. A context, which is watched until it ends.
    """

    def __init__(self, seconds: float, bite: Callable[[], None]) -> None:
        self._seconds = seconds
        self._bite = bite
        self._timer: threading.Timer | None = None
        self.has_bitten = False

    def __enter__(self) -> Watchdog:
        self.pat()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def pat(self) -> None:
        """Start the wait again."""
        self.__exit__()
        if self._seconds:
            self._timer = threading.Timer(self._seconds, self._run)
            self._timer.daemon = True
            self._timer.start()

    def _run(self) -> None:
        self.has_bitten = True
        self._bite()
