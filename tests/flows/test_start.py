"""The command reacts to signals while it still imports its libraries."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flows
from flows.processes.signals import MESSAGE
from tests.process_tree import wait_for_handler


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_signal_gets_one_line(
    number: signal.Signals, seconds: float, small_config: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "flows", "run", str(small_config), "--output", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for_handler(process, signal.SIGHUP)
        time.sleep(seconds)
        process.send_signal(number)
        process.send_signal(number)
        _, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (128 + number, f"{MESSAGE}\n")


def test_what_the_caller_ignores_stays_ignored(small_config: Path) -> None:
    command = ["nohup", sys.executable, "-m", "flows", "config", str(small_config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        wait_for_handler(process, signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "[train]" in shown


WORK = """
import os, signal, sys, time
from flows import start
from flows.views import verify

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    sum(range(1000))

class Swallowing:
    def __del__(self):
        interrupt()

def wrap():
    try:
        interrupt()
    except BaseException:
        raise ValueError("something broke")

def work(folder):
    {}
    time.sleep(60)

verify.verify = work
sys.argv = ["bertdata", "verify", "."]
sys.exit(start.main())
"""


@pytest.mark.parametrize("work", ["Swallowing()", "exec('interrupt()')", "wrap()"])
def test_a_signal_where_python_loses_exceptions(work: str, tmp_path: Path) -> None:
    """From a destructor or a callback of the import system none comes; past `exec` none is caught.

    Dataclasses and named tuples are made with `exec`, whenever a library is imported. And libraries
    raise errors of their own instead.
    """
    (tmp_path / "work.py").write_text(WORK.format(work))
    path = os.pathsep.join([str(Path(flows.__file__).parents[1]), str(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": path}
    start = time.monotonic()
    command = [sys.executable, "-m", "work"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (130, f"{MESSAGE}\n")
    assert time.monotonic() - start < 8


LOST = """
import os, signal, sys
from flows import start

def lose_it():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        return 0

start._run = lose_it
sys.exit(start.main())
"""


@pytest.mark.usefixtures("untraced")
def test_a_signal_that_a_library_loses_is_reported_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, f"{MESSAGE}\n")
