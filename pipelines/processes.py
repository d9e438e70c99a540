"""Processes that end with the one that made them, and the words that pass between them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

# Begins the line with which a host of jobs says that one ended, and with what status.
END = "\x04end "
# Begins the line with which a job says why it failed: {"type": …, "message": …}.
FAILED = "\x04failed "
# The environment of a process that is to end with the one that started it: that one's number.
PARENT = "BERTDATA_PARENT"

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None, number: int = signal.SIGTERM) -> None:
    """Ask Linux to send this process `number` when its parent dies, even by SIGKILL.

    `parent`: which one that is, else what PARENT says; where it is dead already, this ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    expected = os.environ.pop(PARENT, None) if parent is None else str(parent)
    if expected not in (None, str(os.getppid())):
        raise SystemExit(1)
