"""Commands run by a user who may read everything here but write only where everybody may."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

import pytest

_USER = "12345"
# Else this user might not reach the interpreter, where that lies in a home folder.
_READING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def as_another_user() -> list[str]:
    """What to put before a command. Skips the test where no user can be changed to."""
    if not _can_change():
        pytest.skip("needs root and setpriv to run a command as another user")
    return list(_prefix())


def _prefix() -> tuple[str, ...]:
    return ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", *_READING)


@functools.cache
def _can_change() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    command = [*_prefix(), sys.executable, "-c", "import bertdata"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
