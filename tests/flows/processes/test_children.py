"""Children end with their parent, say what they have to say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.processes.children import run_child

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
    assert "no_such_module" in (tmp_path / "log").read_text()


def test_a_killed_child_has_the_signals_number(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    status = run_child("timeit", ["-n1", "-r1", code], tmp_path / "log", print)
    assert status == -signal.SIGKILL


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
