"""How a child ended is told on one line; whoever asks it to end waits a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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
