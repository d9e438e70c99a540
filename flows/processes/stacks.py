"""Where the processes of a job stand, in its log: each prints the stacks of its threads itself."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from flows.processes.watchdog import find_members

_SIGNAL = signal.SIGUSR1
_PRINT_SECONDS = 0.2


def show_stacks_on_signal() -> None:
    """Have this process and its forks print their stacks on standard error when they are asked."""
    with suppress(RuntimeError, OSError):  # there is no standard error
        faulthandler.register(_SIGNAL, file=2, all_threads=True)


def write_stacks(session: int, log: Path) -> None:
    """Have every process of a session print its stacks, each below a line of ours in the log.

    One that is stopped, or ended meanwhile, prints none.
    """
    for pid in find_members(session):
        with suppress(OSError):
            with log.open("a", encoding="utf-8") as file:
                file.write(f"--- where process {pid} stands ---\n")
            os.kill(pid, _SIGNAL)
            time.sleep(_PRINT_SECONDS)


def keep_stacks(log: Path) -> Path:
    """Rename a log, which the next attempt would empty; returns its new place."""
    kept = log.with_name(f"{log.stem}-stalled{log.suffix}")
    with suppress(OSError):
        log.replace(kept)
    return kept
