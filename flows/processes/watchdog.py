"""Notices a job that hangs: one that says nothing for long, or neither says nor computes anything.

A job that waits for other machines computes little, so only the first limit is for those.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 5.0
_MIN_SHARE = 0.05  # of a core: threads that wait look around some times a second


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How many seconds a job may say nothing; 0: for ever.

    `silent`: whatever it does. `idle`: while its processes compute nothing either.
    """

    silent: float = 0.0
    idle: float = 0.0


FOR_EVER = Patience()


class Watchdog:
    """Calls `bite`, once and in a thread of its own, when a job's processes seem to hang.

    `session`: the number of the job's process, which leads the session of all that it starts. A
    context, which is watched until it ends. Time is counted in looks, so that a machine that slept
    is no reason to bite. `bitten_after`: the limit that was reached, in seconds; 0: none.
    """

    def __init__(self, patience: Patience, session: int, bite: Callable[[], None]) -> None:
        self._patience = patience
        self._session = session
        self._bite = bite
        limits = [limit for limit in (patience.silent, patience.idle) if limit]
        self._look_seconds = min([_LOOK_SECONDS, *(limit / 4 for limit in limits)])
        self._heard = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._is_needed = bool(limits)
        self.bitten_after = 0.0

    def __enter__(self) -> Watchdog:
        if self._is_needed:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._is_needed:
            self._thread.join()

    def pat(self) -> None:
        """The job said something: the wait starts again."""
        self._heard.set()

    def _watch(self) -> None:
        silent = idle = used = 0.0
        while not self._ended.wait(self._look_seconds):
            if self._heard.is_set():
                self._heard.clear()
                silent = idle = 0.0
                continue
            before, used = used, cpu_seconds(self._session)
            silent += self._look_seconds
            is_idle = used - before < _MIN_SHARE * self._look_seconds
            idle = idle + self._look_seconds if is_idle else 0.0
            if limit := self._limit_reached(silent, idle):
                self.bitten_after = limit
                self._bite()
                return

    def _limit_reached(self, silent: float, idle: float) -> float:
        """The limit that is reached, in seconds; 0: none."""
        pairs = (idle, self._patience.idle), (silent, self._patience.silent)
        return next((limit for waited, limit in pairs if 0 < limit <= waited), 0.0)


def cpu_seconds(session: int) -> float:
    """How long the processes of a session that live have computed; infinite where none can say."""
    ticks = [_ticks(fields) for _, fields in _processes(session)]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else float("inf")


def find_members(session: int) -> list[int]:
    """The processes of a session, as far as the system tells."""
    return [pid for pid, _ in _processes(session)]


def _ticks(fields: list[str]) -> int:
    return int(fields[11]) + int(fields[12])  # in user mode and in the kernel


def _processes(session: int) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each, as in proc(5), without the number and the name."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                yield int(folder.name), fields
