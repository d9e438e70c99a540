"""Children of a flow: each job is a process group of its own that ends when the flow does."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from bertdata.errors import BertdataError
from pipelines.processes import end_with_parent

_PR_SET_PDEATHSIG = 1
_KILL_SECONDS = 8.0
_LOG_LINES = 3
# Cores are used by having several workers, not by threads within one.
ENVIRONMENT = {"TOKENIZERS_PARALLELISM": "false"}


class ChildCrashError(BertdataError):
    """A child that died without saying why: killed, out of memory, a bug. Worth another try."""


def run_child(module: str, arguments: Sequence[str], log: Path, say: Callable[[str], None]) -> int:
    """Run `python -m module arguments…`; every line it prints goes to `say`, its stderr to `log`.

    Returns the exit status: negative for a signal. The whole process group is ended with the
    caller, also when the caller is interrupted or killed.
    """
    command = [sys.executable, "-m", "flows.children", module, *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            env={**os.environ, **ENVIRONMENT},
        ) as child,
    ):
        try:
            assert child.stdout is not None
            for line in child.stdout:
                say(line.rstrip("\n"))
            return child.wait()
        finally:
            end_group(child)


def end_group(child: subprocess.Popen[str]) -> None:
    """End a child and its children: ask first, so that it can save its work, then insist."""
    if child.poll() is None:
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_SECONDS)
    _signal_group(child, signal.SIGKILL)
    child.wait()


def crash(what: str, status: int, log: Path) -> ChildCrashError:
    """The error for a child that ended with `status` and no reason."""
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited {status}"
    last = " / ".join(_last_lines(log)) or "it printed no reason"
    return ChildCrashError(f"{what} {how}: {last} (all of it: {log}); run again to continue")


def _last_lines(log: Path) -> list[str]:
    with log.open(encoding="utf-8", errors="replace") as file:
        return [line for line in deque(map(str.strip, file), _LOG_LINES) if line]


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def main() -> None:
    """Run the module named first with the arguments after it."""
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
