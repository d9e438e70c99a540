"""A process that is asked prints where its threads stand; the log of a job that hung is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flows.processes.stacks import keep_stacks, write_stacks

STANDING = """
import time
from flows.processes.stacks import show_stacks_on_signal

def stand_here():
    print("ready", flush=True)
    time.sleep(60)

show_stacks_on_signal()
stand_here()
"""


def test_each_process_says_where_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as file:
        command = [sys.executable, "-c", STANDING]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True
        )
    assert process.stdout is not None
    process.stdout.readline()
    write_stacks(process.pid, log)
    process.kill()
    process.communicate()
    first, *stack = log.read_text().splitlines()
    assert first == f"--- where process {process.pid} stands ---"
    assert "stand_here" in "".join(stack)


def test_a_log_is_kept_under_another_name(tmp_path: Path) -> None:
    log = tmp_path / "vocab.log"
    log.write_text("stacks")
    assert keep_stacks(log) == tmp_path / "vocab-stalled.log"
    assert (tmp_path / "vocab-stalled.log").read_text() == "stacks"
    assert not log.exists()
    assert keep_stacks(log) == tmp_path / "vocab-stalled.log"  # without one, as on a full disk
