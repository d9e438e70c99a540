"""The command heeds signals while it still imports its libraries."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.start import MESSAGE
from tests.process_tree import wait_for_handler


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
    assert (process.returncode, error) == (130, f"{MESSAGE}\n")


def test_what_the_caller_ignores_stays_ignored(small_config: Path) -> None:
    command = ["nohup", sys.executable, "-m", "flows", "config", str(small_config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        wait_for_handler(process, signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "[train]" in shown
