"""What signals do to a process that catches them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flows.processes.signals import MESSAGE, was_stopped

CATCH = """
import os, signal
from flows.processes.signals import Stopped, catch_signals, finish, was_stopped
signal.signal(signal.SIGHUP, signal.SIG_IGN)
catch_signals()
print(was_stopped())
os.kill(os.getpid(), signal.SIGHUP)  # ignored, as under nohup
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
except KeyboardInterrupt as error:
    print(type(error).__name__, was_stopped())
os.kill(os.getpid(), signal.SIGINT)  # the second one is ignored
finish()
"""
OVERTIME = """
import os, signal, time
from flows.processes import signals
signals._END_SECONDS = 0.05
signals.catch_signals()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    {}
    time.sleep(60)
"""


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_the_first_signal_raises_and_later_ones_are_ignored() -> None:
    done = _run(CATCH)
    assert (done.returncode, done.stderr) == (143, "")
    assert done.stdout.splitlines() == ["False", "Stopped True"]


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(("ending", "shown"), [("pass", f"{MESSAGE}\n"), ("signals.finish()", "")])
def test_an_ending_that_takes_too_long_is_cut_short(ending: str, shown: str) -> None:
    done = _run(OVERTIME.format(ending))
    assert (done.returncode, done.stderr) == (143, shown)


TAKEN_OVER = """
import atexit, os, signal
from flows.processes.signals import Stopped, catch_again, catch_signals
catch_signals()
atexit.register(print, "registered later, called before it leaves")
signal.signal(signal.SIGTERM, lambda number, frame: print("a library's"))
os.kill(os.getpid(), signal.SIGTERM)
catch_again()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except Stopped:
    print("ours")
catch_again()
os.kill(os.getpid(), signal.SIGINT)  # ignored, as after any first signal
"""


def test_a_signal_that_a_library_took_over_is_taken_back() -> None:
    done = _run(TAKEN_OVER)
    assert (done.returncode, done.stderr) == (143, "")
    assert done.stdout.splitlines() == [
        "a library's",
        "ours",
        "registered later, called before it leaves",
    ]


def test_a_process_without_signals_was_not_stopped() -> None:
    assert not was_stopped()


EXIT = """
import atexit, os, signal, sys, time
from flows.processes import signals
signals._END_SECONDS = 0.3
signals.catch_signals()
class Slow:
    def __del__(self):
        time.sleep(1)  # longer than is left, when Python has let go of its handlers
slow = Slow()
try:
    os.kill(os.getpid(), signal.{})
except KeyboardInterrupt:
    signals.finish()
sys.exit(signals.stopped_status())
"""


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_the_status_is_the_signal_s_however_long_the_end_takes(name: str, status: int) -> None:
    assert _run(EXIT.format(name)).returncode == status
