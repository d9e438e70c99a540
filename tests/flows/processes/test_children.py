"""Children end with their parent, say what they have to say, and crash readably."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bertdata.errors import CrashError
from flows.processes.children import crash, run_child

GRANDPARENT = """
import signal, sys
from pathlib import Path
from flows.processes.children import run_child
code = "import time, os; print(os.getpid(), flush=True); time.sleep(60)"
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where started with &
say = lambda line: print(line, flush=True)
run_child("timeit", ["-n1", "-r1", code], Path(sys.argv[1]), say)
"""


def test_lines_are_handed_on_and_the_status_comes_back(tmp_path: Path) -> None:
    lines: list[str] = []
    arguments = ["-n1", "-r1", "print('hello')"]
    assert run_child("timeit", arguments, tmp_path / "log", lines.append) == 0
    assert lines[0] == "hello"
    assert run_child("no_such_module", [], tmp_path / "log", lines.append) == 1
    error = crash("the job", 1, tmp_path / "log")
    assert isinstance(error, CrashError)
    assert "the job exited 1: " in str(error)
    assert "no_such_module" in str(error)
    assert "\n" not in str(error)


def test_a_killed_child_is_named_by_its_signal(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    status = run_child("timeit", ["-n1", "-r1", code], tmp_path / "log", print)
    assert status == -signal.SIGKILL
    said = str(crash("the job", status, tmp_path / "log"))
    assert "was killed by SIGKILL, as the system does when memory runs out: it printed no" in said


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_child_ends_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", GRANDPARENT, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait(10)
    for _ in range(100):
        if not _is_running(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
