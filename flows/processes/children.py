"""Child processes of a flow, each a process group that ends when the flow ends."""

from __future__ import annotations

import contextlib
import gc
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from bertdata.import_path import safe_environment
from bertdata.processes.parents import PARENT, end_with_parent
from flows.processes.endings import end_group

# Several workers use the cores, not threads within one.
_SETTINGS = {"TOKENIZERS_PARALLELISM": "false"}
# Imports make many objects and little garbage, and steps of training make none: as in `start`.
_OBJECTS = 100_000
# For children whose output this process reads, whatever the terminal's encoding.
_PIPED = {"PYTHONIOENCODING": "utf-8:backslashreplace"}


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
        env={**child_environment(), **_PIPED},
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


def main() -> None:
    """Run the module named first with the arguments after it."""
    gc.set_threshold(_OBJECTS)
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
