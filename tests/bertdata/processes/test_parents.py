"""Processes end with the one that made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from bertdata.processes.parents import PARENT

pytestmark = pytest.mark.usefixtures("untraced")

PARENT_CODE = """
import os, subprocess, sys
environment = {**os.environ, "BERTDATA_PARENT": str(os.getpid())}
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=environment)
child.wait()
"""
WAITING = """
import time
from bertdata.processes.parents import ending_with_parent
with ending_with_parent():
    print("ready", flush=True)
    time.sleep(60)
"""
DONE = """
import time
from bertdata.processes.parents import ending_with_parent
with ending_with_parent():
    pass
print("ready", flush=True)
time.sleep(1)
print("done", flush=True)
"""


def run_and_kill_parent(code: str) -> tuple[str, float]:
    """What a child says after its parent was killed, and how long it lives."""
    command = [sys.executable, "-c", PARENT_CODE, code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        started = time.monotonic()
        return parent.stdout.read(), time.monotonic() - started


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_process_ends_with_its_parent() -> None:
    said, seconds = run_and_kill_parent(WAITING)
    assert said == ""
    assert seconds < 5


def test_a_process_may_outlive_its_parent_later() -> None:
    said, _ = run_and_kill_parent(DONE)
    assert said == "done\n"


def test_a_process_whose_parent_is_dead_already_ends_at_once() -> None:
    code = "from bertdata.processes.parents import end_with_parent; end_with_parent(); print(1)"
    environment = {**os.environ, PARENT: "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
