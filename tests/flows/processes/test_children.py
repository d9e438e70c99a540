"""Children end with their parent, say what they have to say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.processes.children import child_command, child_environment, run_child

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


def run_code(code: str, log: Path) -> tuple[int, list[str], list[str]]:
    """Run Python code in a child; returns its status, what it printed, and its errors."""
    lines: list[str] = []
    errors: list[str] = []
    status = run_child("timeit", ["-n1", "-r1", code], log, lines.append, errors.append)
    return status, lines, errors


def test_what_a_child_prints_is_read_as_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the encoding of the terminal, and also where no character stands for some bytes."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    code = "import sys; print('\\xfc \\u20ac', 'a name\\udcff')"
    code += "; print('\\xe9 \\u6771', file=sys.stderr)"
    code += "; sys.stdout.flush(); sys.stdout.buffer.write(b'\\xff\\n'); print('end')"
    status, lines, errors = run_code(code, tmp_path / "log")
    assert status == 0
    assert lines[:3] == ["ü € a name\\udcff", "\ufffd", "end"]
    assert errors == ["é 東"]
    assert (tmp_path / "log").read_text(encoding="utf-8") == "é 東\n"


def test_a_child_is_a_group_of_its_own_that_uses_one_thread_to_tokenize(tmp_path: Path) -> None:
    code = "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0), os.getpgid(0))"
    code += "; print(os.environ['TOKENIZERS_PARALLELISM'], os.environ.get('BERTDATA_PARENT'))"
    _, lines, _ = run_code(code, tmp_path / "log")
    assert lines[0].startswith("True ")
    assert int(lines[0].split()[1]) != os.getpgid(0)
    assert lines[1] == "false None"  # its own children do not wait for our end
    assert child_environment()["BERTDATA_PARENT"] == str(os.getpid())


def test_a_child_whose_parent_died_at_once_does_nothing(tmp_path: Path) -> None:
    command = child_command("timeit", ["-n1", "-r1", "print('hello')"])
    environment = {**child_environment(), "BERTDATA_PARENT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.usefixtures("untraced")
def test_what_a_child_leaves_running_ends_with_it(tmp_path: Path) -> None:
    """Also what takes no notice of SIGTERM."""
    command = ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]
    code = f"import subprocess; null = subprocess.DEVNULL; print(subprocess.Popen({command}, "
    code += "stdout=null, stderr=null).pid)"
    status, lines, _ = run_code(code, tmp_path / "log")
    assert status == 0
    wait_until_ended(int(lines[0]))


def wait_until_ended(process: int) -> None:
    deadline = time.monotonic() + 10
    while _is_running(process):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            pytest.fail("it outlived the child")
        time.sleep(0.01)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
