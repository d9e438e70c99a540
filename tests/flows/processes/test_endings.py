"""How a child ended is reported on one line; whoever asks it to end waits a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bertdata.errors import CrashError
from flows.processes import endings
from flows.processes.endings import crash, end_group


def test_a_crash_quotes_the_last_lines_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback\n  in work\n\nKeyError: 3\n")
    error = crash("the job", 1, log)
    assert isinstance(error, CrashError)
    assert str(error) == (
        f"the job exited 1: in work / KeyError: 3 (all of it: {log}); run again to continue"
    )


def test_a_crash_without_a_log_quotes_what_was_said(tmp_path: Path) -> None:
    error = crash("training", -signal.SIGSEGV, tmp_path / "none", ["one", "two"])
    assert str(error).startswith("training was killed by SIGSEGV: one / two (")


def test_a_killed_process_is_named_by_its_signal(tmp_path: Path) -> None:
    said = str(crash("the job", -signal.SIGKILL, tmp_path / "none"))
    assert "was killed by SIGKILL, as the system does when memory runs out: it printed no" in said


def test_of_a_long_log_the_last_lines_are_quoted(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100)))
    assert "exited 1: line 97 / line 98 / line 99 (" in str(crash("it", 1, tmp_path / "log"))
    said = [f"said {number}" for number in range(100)]
    assert "said 97 / said 98 / said 99 (" in str(crash("it", 1, tmp_path / "none", said))


def test_memory_is_named_only_where_the_system_killed(tmp_path: Path) -> None:
    for status in (-signal.SIGTERM, -signal.SIGSEGV, 1):
        assert "memory runs out" not in str(crash("the job", status, tmp_path / "none"))


STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, {})
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("handler", "status"), [("lambda *_: sys.exit(3)", 3), ("signal.SIG_IGN", -signal.SIGKILL)]
)
def test_a_group_may_save_its_work_before_it_is_killed(
    handler: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "_KILL_SECONDS", 5.0 if status == 3 else 0.1)
    command = [sys.executable, "-c", STUBBORN.format(handler)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        end_group(child)
        assert child.returncode == status
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


PARENT = """
import subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
code += "print('ready', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep({seconds})
"""


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("seconds", [60, 0])
def test_children_of_a_child_end_too(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the child itself has ended, and where they take no notice of SIGTERM."""
    command = [sys.executable, "-c", PARENT.format(seconds=seconds)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        if not seconds:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        end_group(child)
    deadline = time.monotonic() + 10
    while is_running(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    is_left = is_running(grandchild)
    if is_left:
        os.kill(grandchild, signal.SIGKILL)
    assert not is_left


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
