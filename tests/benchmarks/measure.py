"""What work costs: CPU seconds, and the time and memory of a whole tree of processes."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

SAMPLE_SECONDS = 0.1
_SAMPLES_A_SEARCH = 10  # to look for new processes takes longer than to look at those known
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The most memory a process held, in bytes.

    `kind`: "fork server", "driver" (a job) or "worker". `resident`: with the pages of mapped files
    that it touched; `private`: without them, from samples.
    """

    kind: str
    resident: int
    private: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Seconds by the clock, user and system CPU seconds of all processes, their memory."""

    wall_seconds: float
    cpu_seconds: float
    peaks: tuple[Peak, ...] = ()

    @property
    def largest_peak(self) -> int:
        """Of the processes that do the work: the workers, or the driver where it works itself."""
        workers = [peak.resident for peak in self.peaks if peak.kind == "worker"]
        return max(workers or [peak.resident for peak in self.peaks], default=0)


def add_costs(*costs: Cost) -> Cost:
    """One after the other: seconds add up, processes are listed together."""
    return Cost(
        wall_seconds=sum(cost.wall_seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peaks=tuple(peak for cost in costs for peak in cost.peaks),
    )


def cpu_seconds_of(
    work: Callable[[Any], object],
    prepare: Callable[[], Any] = lambda: None,
    *,
    repeats: int = 3,
    warm_up: bool = False,
) -> float:
    """The median CPU seconds of `work(prepare())` in this process; only the work is timed."""
    if warm_up:
        work(prepare())
    seconds = []
    for _ in range(repeats):
        given = prepare()
        started = time.process_time()
        work(given)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def cost_of_children(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Do work that goes on in child processes; what they cost together.

    CPU seconds are those of children that ended and were waited for, and of those that live on.
    """
    sampler = _TreeSampler()
    before = _children_seconds()
    started = time.perf_counter()
    with sampler:
        result = work()
    wall = time.perf_counter() - started
    cpu = _children_seconds() - before
    return result, Cost(wall_seconds=wall, cpu_seconds=cpu, peaks=sampler.peaks)


def cost_in_fresh_process(work: Callable[..., Any], *arguments: Any) -> Cost:
    """CPU seconds and peak memory of `work(*arguments)`, alone in a new process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_cost, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        cost: Cost = receiver.recv()
    finally:
        process.join()
    return cost


def _report_cost(sender: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _read_memory(os.getpid())
    peaks = () if peak is None else (Peak(kind="worker", resident=peak[0], private=peak[1]),)
    sender.send(Cost(wall_seconds=wall, cpu_seconds=cpu, peaks=peaks))


def _children_seconds() -> float:
    """CPU seconds of all descendants so far, dead or alive."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(_read_stat(process).ticks for process in _descendants())
    return usage.ru_utime + usage.ru_stime + ticks / _TICKS_PER_SECOND


@dataclass(slots=True)
class _Seen:
    kind: str
    resident: int = 0
    private: int = 0


@dataclass
class _TreeSampler:
    """Looks at all descendants of this process every 0.1 s (on Linux; elsewhere it sees none).

    What it costs is taken from the work, where that fills all cores.
    """

    _seen: dict[int, _Seen] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return tuple(
            Peak(kind=seen.kind, resident=seen.resident, private=seen.private)
            for seen in self._seen.values()
            if seen.kind
        )

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._stop.wait(SAMPLE_SECONDS):
                return
            if number % _SAMPLES_A_SEARCH == 1:
                found = _descendants()
            for process, depth in found.items():
                _update(process, depth, self._seen.setdefault(process, _Seen(kind="")))


def _descendants() -> dict[int, int]:
    """All processes below this one, with how far below."""
    depths = {os.getpid(): 0}
    level = [os.getpid()]
    while level := [child for process in level for child in _children(process)]:
        depths |= dict.fromkeys(level, max(depths.values()) + 1)
    del depths[os.getpid()]
    return depths


def _children(process: int) -> list[int]:
    """Asked of the process alone: to look at all there are takes a tenth of a core."""
    found: list[int] = []
    for path in _PROC.glob(f"{process}/task/*/children"):
        with contextlib.suppress(OSError):  # a thread that is gone
            found += map(int, path.read_text().split())
    return found


def _update(process: int, depth: int, seen: _Seen) -> None:
    # A new process is still its parent's image for a moment: ask again every time.
    seen.kind = _kind_of(process, depth) or seen.kind
    if (memory := _read_memory(process)) is not None and seen.kind:
        seen.resident = max(seen.resident, memory[0])
        seen.private = max(seen.private, memory[1])


def _kind_of(process: int, depth: int) -> str:
    """What a Python process is: the fork server, a job ("driver"), a worker of it; else ""."""
    try:
        words = (_PROC / str(process) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    if b"python" not in words[0] or any(b"resource_tracker" in word for word in words):
        return ""
    return {1: "fork server", 2: "driver"}.get(depth, "worker")


class _Stat(NamedTuple):
    """`ticks`: CPU time with that of ended children."""

    parent: int
    ticks: int


def _read_stat(process: int) -> _Stat:
    """Zeros when the process is gone."""
    try:
        text = (_PROC / str(process) / "stat").read_text()
    except OSError:
        return _Stat(0, 0)
    fields = text.rpartition(")")[2].split()
    return _Stat(int(fields[1]), sum(map(int, fields[11:15])))


def _read_memory(process: int) -> tuple[int, int] | None:
    """(peak resident, now private) in bytes; None when the process is gone."""
    try:
        lines = (_PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return None
    values = {name: value for name, _, value in (line.partition(":") for line in lines)}
    if "VmHWM" not in values:
        return None
    return tuple(int(values[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon"))  # type: ignore[return-value]
