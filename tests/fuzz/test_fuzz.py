"""A few inputs for every target, and that the fuzzing finds what is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import loop
from tests.fuzz.loop import fuzz
from tests.fuzz.targets import Target

ROOT = Path(__file__).resolve().parents[2]


def test_a_few_inputs_of_every_kind_find_nothing(tmp_path: Path) -> None:
    """As a command: what other tests left in this process would end with its forks."""
    command = [sys.executable, "-m", "tests.fuzz", "--inputs=8", f"--findings={tmp_path}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("all")


def fragile(data: bytes, folder: Path, random: Random) -> None:
    if data.startswith(b"bb"):
        raise KeyError("two")
    if data.startswith(b"c"):
        os.kill(os.getpid(), signal.SIGKILL)
    if data.startswith(b"d"):
        time.sleep(60)
    while data.startswith(b"e"):
        pass


def test_errors_crashes_and_hangs_are_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LONGEST_SECONDS", 1)
    monkeypatch.setattr(loop, "LONGEST_WAIT", 2)
    target = Target(name="t", seeds=(b"x", b"bb", b"c", b"d", b"e"), check=fragile)
    outcome = fuzz(target, 60, 1, tmp_path, most=5)
    kinds = {path.name.split("-")[0] for path in outcome.findings}
    assert kinds == {"KeyError", "died", "tests"}
    inputs = {path.read_bytes() for path in tmp_path.glob("*.input")}
    assert inputs == {b"bb", b"c", b"d", b"e"}
