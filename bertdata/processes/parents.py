"""Processes that end with the one that made them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The environment of a process that is to end with the one that started it: that one's number.
PARENT = "BERTDATA_PARENT"

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None) -> None:
    """Ask Linux to kill this process when its parent dies, even by SIGKILL.

    `parent`: which one that is, else what PARENT says; where it is dead already, this ends at once.
    """
    _ask_for(signal.SIGKILL)
    expected = os.environ.pop(PARENT, None) if parent is None else str(parent)
    if expected not in (None, str(os.getppid())):
        raise SystemExit(1)


@contextmanager
def ending_with_parent() -> Iterator[None]:
    """While this lasts, this process ends when its parent dies; PARENT says which one that is."""
    end_with_parent()
    yield
    _ask_for(0)


def _ask_for(number: int) -> None:
    """Have Linux send `number` when the parent dies; 0: nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
