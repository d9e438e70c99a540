"""Tries mutated inputs on one target in a process of its own, guided by the steps they take."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.edges import Edge, recorded
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import Target

LONGEST_SECONDS = 10  # of work
LONGEST_WAIT = 120  # by the clock: a busy or paused machine is no finding
MEMORY_BYTES = 8 << 30
_MOST_SEEDS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """`tried`: inputs; `findings`: files in which what went wrong lies, each once."""

    tried: int
    cpu_seconds: float
    findings: tuple[Path, ...]


class TooSlowError(Exception):
    """An input took longer than any of its size may."""


def fuzz(target: Target, seconds: float, seed: int, folder: Path, most: int = 1 << 60) -> Outcome:
    """Try inputs for so many seconds, `most` at most.

    `folder`: gets each input that finds something, as NAME.input and NAME.txt, what it did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("fork")
    tried, cpu = context.Value("q", 0), context.Value("d", 0.0)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and tried.value < most:
        # A process that dies is followed by one that draws others.
        random = Random(f"{target.name} {seed} {tried.value}")
        arguments = (target, left, most, random, folder, tried, cpu)
        process = context.Process(target=_work, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            _keep(folder, (folder / "current").read_bytes(), f"died: {process.exitcode}\n")
    (folder / "current").unlink(missing_ok=True)
    shutil.rmtree(folder / "work", ignore_errors=True)
    return Outcome(
        tried=tried.value, cpu_seconds=cpu.value, findings=tuple(sorted(folder.glob("*.txt")))
    )


def _work(
    target: Target,
    seconds: float,
    most: int,
    random: Random,
    folder: Path,
    tried: Synchronized[int],
    cpu: Synchronized[float],
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(kind, _too_slow)
    seeds, known = list(target.seeds), set[Edge]()
    waiting = seeds[tried.value :][::-1]  # after a death not the same ones again
    place = folder / "work"
    place.mkdir(exist_ok=True)
    start, before = time.monotonic(), cpu.value
    while time.monotonic() - start < seconds and tried.value < most:
        data = (
            waiting.pop()
            if waiting
            else mutate(random.choice(seeds), target.seeds, target.tokens, random)
        )
        (folder / "current").write_bytes(data)
        tried.value += 1
        edges: set[Edge] = set()
        if problem := _try(partial(target.check, data, place, random), edges):
            _keep(folder, data, problem)
        if not edges <= known and len(seeds) < _MOST_SEEDS:
            known |= edges
            seeds.append(data)
        cpu.value = before + time.process_time()


def _try(check: Callable[[], None], edges: set[Edge]) -> str:
    """What went wrong, as a traceback; empty when nothing did."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    signal.alarm(LONGEST_WAIT)
    try:
        with recorded(edges):
            check()
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return ""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def _keep(folder: Path, data: bytes, problem: str) -> None:
    """Keep the first input of each kind of problem: the same error in the same place."""
    lines = [line.strip() for line in problem.splitlines() if line.startswith("  File ")]
    lines = [line for line in lines if not line.endswith(_too_slow.__name__)]
    kind = f"{problem.splitlines()[-1].partition(':')[0]} {lines[-1] if lines else ''}"
    name = "".join(char if char.isalnum() else "-" for char in kind[-120:])
    if not (folder / f"{name}.txt").exists():
        (folder / f"{name}.input").write_bytes(data)
        (folder / f"{name}.txt").write_text(problem, errors="backslashreplace")
