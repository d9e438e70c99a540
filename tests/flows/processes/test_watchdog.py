"""The watchdog bites once: after a long silence, and sooner where nothing is computed either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from flows.processes import watchdog
from flows.processes.watchdog import Patience, Watchdog, cpu_seconds, find_members

_FOR_LONG = 60.0


@contextmanager
def session(code: str) -> Iterator[int]:
    """A process that leads a session of its own; its number."""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def bites_within(seconds: float, patience: Patience, code: str) -> float:
    """The limit that was reached, once the watchdog bit; 0 if it did not."""
    bitten = threading.Event()
    with session(code) as leader, Watchdog(patience, leader, bitten.set) as dog:
        bitten.wait(seconds)
    return dog.bitten_after


SLEEPING = "import time; time.sleep(60)"
COMPUTING = "while True: pass"
COMPUTING_BELOW = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COMPUTING!r}])"


@pytest.mark.parametrize("code", [SLEEPING, COMPUTING])
def test_a_long_silence_is_bitten_whatever_the_job_does(code: str) -> None:
    assert bites_within(20, Patience(silent=0.4), code) == 0.4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what processes computed")
def test_who_neither_speaks_nor_computes_is_bitten_sooner() -> None:
    assert bites_within(20, Patience(silent=_FOR_LONG, idle=0.4), SLEEPING) == 0.4


@pytest.mark.parametrize("code", [COMPUTING, COMPUTING_BELOW])
def test_who_computes_may_be_silent(code: str) -> None:
    assert bites_within(1.6, Patience(silent=_FOR_LONG, idle=1), code) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what processes computed")
def test_idle_time_starts_again_with_any_work() -> None:
    code = "import time\nwhile True:\n  end = time.process_time() + .1\n"
    code += "  while time.process_time() < end: pass\n  time.sleep(.4)"
    assert bites_within(2.4, Patience(idle=1), code) == 0


def test_a_job_that_speaks_is_not_bitten() -> None:
    bites: list[int] = []
    with session(SLEEPING) as leader:
        patience = Patience(silent=0.5, idle=0.5)
        with Watchdog(patience, leader, lambda: bites.append(1)) as dog:
            for _ in range(20):
                time.sleep(0.05)
                dog.pat()
        time.sleep(1)  # it has ended
    assert not bites


def test_it_bites_once() -> None:
    bites: list[int] = []
    with (
        session(SLEEPING) as leader,
        Watchdog(Patience(silent=0.1), leader, lambda: bites.append(1)),
    ):
        time.sleep(1)
    assert bites == [1]


def test_no_limits_are_for_ever() -> None:
    before = threading.active_count()
    with Watchdog(Patience(), 1, lambda: None) as dog:
        assert threading.active_count() == before
        dog.pat()
    assert dog.bitten_after == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what processes computed")
def test_the_processes_of_a_session_are_counted_together() -> None:
    with session(COMPUTING_BELOW) as leader:
        while len(find_members(leader)) < 2:
            time.sleep(0.01)
        started, before = time.monotonic(), cpu_seconds(leader)
        time.sleep(0.5)
        assert 0 < cpu_seconds(leader) - before <= time.monotonic() - started + 0.1
    while find_members(leader):
        time.sleep(0.01)
    assert cpu_seconds(leader) == float("inf")


class Looks:
    """Stands for the end of a watch that never comes but after so many looks."""

    def __init__(self, number: int, before_look: Callable[[int], object]) -> None:
        self._left = iter(range(number))
        self._before_look = before_look

    def wait(self, seconds: float) -> bool:
        number = next(self._left, None)
        if number is not None:
            self._before_look(number)
        return number is None


@pytest.mark.parametrize(("every", "is_bitten"), [(1, False), (3, False), (4, False), (5, True)])
def test_every_word_starts_the_wait_again(every: int, is_bitten: bool) -> None:
    """Four looks without one are too many."""
    dog = Watchdog(Patience(silent=4.0), 0, lambda: None)
    looks = Looks(40, lambda number: dog.pat() if number % every == 0 else None)
    dog._ended = looks  # type: ignore[assignment]
    dog._watch()
    assert (dog.bitten_after == 4.0) is is_bitten


@pytest.mark.parametrize(("every", "is_bitten"), [(2, False), (4, False), (5, True)])
def test_pauses_of_a_job_that_computes_do_not_add_up(
    every: int, is_bitten: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [0.0]

    def compute(number: int) -> None:
        used[0] += 1.0 if number % every == 0 else 0.0

    monkeypatch.setattr(watchdog, "cpu_seconds", lambda session: used[0])
    dog = Watchdog(Patience(idle=4.0), 0, lambda: None)
    dog._ended = Looks(40, compute)  # type: ignore[assignment]
    dog._watch()
    assert (dog.bitten_after == 4.0) is is_bitten
