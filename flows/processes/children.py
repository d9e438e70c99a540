"""Children of a flow: each job is a process group of its own that ends when the flow does."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from bertdata.errors import CrashError
from bertdata.import_path import safe_environment
from pipelines.processes import PARENT, end_with_parent

_KILL_SECONDS = 6.0
_LOG_LINES = 3
# Cores are used by having several workers, not by threads within one.
_SETTINGS = {"TOKENIZERS_PARALLELISM": "false"}
# What a child prints for this process to read, whatever the terminal's encoding.
PIPED = {"PYTHONIOENCODING": "utf-8:backslashreplace"}


def child_environment() -> dict[str, str]:
    """The environment of a child that is to end with this process."""
    return {**safe_environment(os.environ), **_SETTINGS, PARENT: str(os.getpid())}


def child_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command of a child that runs `module` and ends with this process."""
    return [sys.executable, "-P", "-m", "flows.processes.children", module, *arguments]


def run_child(
    module: str,
    arguments: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    heed: Callable[[str], None] = lambda line: None,
) -> int:
    """Run `python -m module arguments…`; every line it prints goes to `say`.

    Its stderr goes to `log`, as far as the disk has room, and line by line to `heed`, in a thread.
    Returns the exit status: negative for a signal. The whole process group is ended with the
    caller, also when the caller is interrupted or killed.
    """
    with subprocess.Popen(
        child_command(module, arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        env={**child_environment(), **PIPED},
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        reader = threading.Thread(target=_keep, args=(child.stderr, log, heed))
        reader.start()
        try:
            for line in child.stdout:
                say(line.rstrip("\n"))
            return child.wait()
        finally:
            end_group(child)
            reader.join()


def _keep(stream: Iterable[str], log: Path, heed: Callable[[str], None]) -> None:
    """Read to the end, whatever becomes of the log."""
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        with contextlib.suppress(OSError):
            file = stack.enter_context(cast(BinaryIO, log.open("wb", buffering=0)))
        for line in stream:
            heed(line.rstrip("\n"))
            with contextlib.suppress(OSError):
                if file is not None:
                    file.write(line.encode())


def end_group(child: subprocess.Popen[str]) -> None:
    """End a child and its children: ask first, so that it can save its work, then insist."""
    if child.poll() is None:
        signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_SECONDS)
    signal_group(child, signal.SIGKILL)
    child.wait()


def crash(what: str, status: int, log: Path, said: Iterable[str] = ()) -> CrashError:
    """The error for a child that ended with `status` and no reason; `said`: if not in the log."""
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited {status}"
    if status == -signal.SIGKILL:
        how += ", as the system does where memory runs out"
    last = " / ".join(_last_lines(log) or list(said)[-_LOG_LINES:]) or "it printed no reason"
    return CrashError(f"{what} {how}: {last} (all of it: {log}); run again to continue")


def _last_lines(log: Path) -> list[str]:
    with (
        contextlib.suppress(OSError),  # a disk without room for it
        log.open(encoding="utf-8", errors="replace") as file,
    ):
        return [line for line in deque(map(str.strip, file), _LOG_LINES) if line]
    return []


def signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a child and its children, if they are still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def main() -> None:
    """Run the module named first with the arguments after it."""
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
