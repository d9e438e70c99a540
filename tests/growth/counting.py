"""What a call costs: instructions where the kernel counts them, or else processor time.

Clocks on the wall depend on what else runs. A processor's own count of instructions does not, but
virtual machines often have none; there the processor time of this thread is used, the least of
several calls. So limits are generous: eight times as much text may take 24 times as long, where
quadratic time would take 64 times.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

_TRIES = 3
_TIMES = 8  # as much text
_ALLOWED = 24
_SMALL = 1_000_000  # nanoseconds or instructions that are not compared: less than some chances
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_INSTRUCTIONS = 1
# Names the file that callgrind writes to, in an environment where it counts (see __main__).
CALLGRIND = "BERTDATA_CALLGRIND"
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)
_USER_ONLY = 1 << 5 | 1 << 6  # neither the kernel nor a hypervisor


def check_growth(function: Callable[[str], object], shape: Callable[[int], str], size: int) -> None:
    """Raise AssertionError if the cost of a function grows faster than its text.

    `shape`: a text of about so many characters.
    """
    text = shape(_TIMES * size)
    large = cost(lambda: function(text))
    if large <= _ALLOWED * _SMALL:
        return
    text_of_size = shape(size)
    small = max(_SMALL, cost(lambda: function(text_of_size), _TRIES))
    if large > _ALLOWED * small:  # perhaps by chance
        large = cost(lambda: function(text), _TRIES)
    growth = f"{small:,} for {size:,} characters, {large:,} for {_TIMES} times as many"
    assert large <= _ALLOWED * small, growth


def is_counted_by_callgrind() -> bool:
    """Whether every instruction is counted, which takes fifty times as long."""
    return CALLGRIND in os.environ


def cost(call: Callable[[], object], tries: int = 1) -> int:
    """The least cost of a call in several tries."""
    count = _find_counter()
    with _without_collector():
        return min(_cost_once(call, count) for _ in range(tries))


def _cost_once(call: Callable[[], object], count: Callable[[], int]) -> int:
    start = count()
    call()
    return count() - start


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Without Python's collector of cycles, whose visits depend on all that a process holds."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Callgrind:
    """Counts instructions under valgrind, which writes how many there were at each `getppid`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._dumps = 0
        self._total = 0

    def count(self) -> int:
        """The instructions so far."""
        os.getppid()
        self._dumps += 1
        dump = self._out.with_name(f"{self._out.name}.{self._dumps}")
        (totals,) = _TOTALS.findall(dump.read_text())
        dump.unlink()
        self._total += int(totals)
        return self._total


@cache
def _find_counter() -> Callable[[], int]:
    """A counter of this thread's instructions, or of its nanoseconds."""
    if is_counted_by_callgrind():
        return _Callgrind(Path(os.environ[CALLGRIND])).count
    number = _PERF_EVENT_OPEN.get(os.uname().machine) if sys.platform == "linux" else None
    if number is None:
        return time.thread_time_ns
    attributes = struct.pack("<IIQQQQQ", 0, 64, _INSTRUCTIONS, 0, 0, 0, _USER_ONLY).ljust(64, b"\0")
    file = ctypes.CDLL(None).syscall(number, attributes, 0, -1, -1, 0)
    if file < 0:
        return time.thread_time_ns
    return lambda: int.from_bytes(os.read(file, 8), sys.byteorder)
