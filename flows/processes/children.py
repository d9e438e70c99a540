"""Child processes of a flow, each a process group that ends when the flow ends."""

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
# Several workers use the cores, not threads within one.
_SETTINGS = {"TOKENIZERS_PARALLELISM": "false"}
# For children whose output this process reads, whatever the terminal's encoding.
PIPED = {"PYTHONIOENCODING": "utf-8:backslashreplace"}


def child_environment() -> dict[str, str]:
    """The environment of a child that shall end with this process."""
    return {**safe_environment(os.environ), **_SETTINGS, PARENT: str(os.getpid())}


def child_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command of a child that runs `module` and ends with this process."""
    return [sys.executable, "-P", "-m", "flows.processes.children", module, *arguments]


def run_child(
    module: str,
    arguments: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    take_error: Callable[[str], None] = lambda line: None,
) -> int:
    """Run `python -m module arguments…`; returns its exit status, negative for a signal.

    `say`: called with each line that it prints. `log`: gets its stderr, as far as the disk has
    space. `take_error`: called with each line of stderr, in a thread. The whole process group ends
    with the caller, even if the caller is interrupted or killed.
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
        reader = threading.Thread(target=_keep, args=(child.stderr, log, take_error))
        reader.start()
        try:
            for line in child.stdout:
                say(line.rstrip("\n"))
            return child.wait()
        finally:
            end_group(child)
            reader.join()


def _keep(stream: Iterable[str], log: Path, take_error: Callable[[str], None]) -> None:
    """Read a stream to its end, even if the log cannot be written."""
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        with contextlib.suppress(OSError):
            file = stack.enter_context(cast(BinaryIO, log.open("wb", buffering=0)))
        for line in stream:
            take_error(line.rstrip("\n"))
            with contextlib.suppress(OSError):
                if file is not None:
                    file.write(line.encode())


def end_group(child: subprocess.Popen[str]) -> None:
    """End a child and its children: SIGTERM, so that it can save its work, then SIGKILL."""
    if child.poll() is None:
        signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_KILL_SECONDS)
    signal_group(child, signal.SIGKILL)
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


def signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a child and its children, if they are still running."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def main() -> None:
    """Run the module named first with the arguments after it."""
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
