"""How child processes end: by a signal to all of them, or by themselves without a reason."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from bertdata.errors import CrashError

_KILL_SECONDS = 6.0
_LOG_LINES = 3


def end_group(child: subprocess.Popen[str]) -> None:
    """End a child and its children: SIGTERM, so that it can save its work, then SIGKILL."""
    if child.poll() is None:
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_SECONDS)
    _signal_group(child, signal.SIGKILL)
    child.wait()


def crash(what: str, status: int, log: Path, said: Iterable[str] = ()) -> CrashError:
    """The error for a child that ended without a reason. `said`: what it printed, without a log."""
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited {status}"
    if status == -signal.SIGKILL:
        how += ", as the system does when memory runs out"
    last = " / ".join(_last_lines(log) or list(said)[-_LOG_LINES:]) or "it printed no reason"
    return CrashError(f"{what} {how}: {last} (all of it: {log}); run again to continue")


def _last_lines(log: Path) -> list[str]:
    with (
        contextlib.suppress(OSError),  # a full disk
        log.open(encoding="utf-8", errors="replace") as file,
    ):
        return [line for line in deque(map(str.strip, file), _LOG_LINES) if line]
    return []


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a child and its children, if they are still running."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
