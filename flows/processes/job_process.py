"""The process of a job: what it does from its start, by a fork server, to its end."""

from __future__ import annotations

import io
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from bertdata.errors import BertdataError
from flows.processes.stacks import show_stacks_on_signal


@dataclass(frozen=True)
class Said:
    """What a job says while it works: a line, or what its function has a type for."""

    what: object


@dataclass(frozen=True)
class Done:
    """The end of a job, and what its function returned."""

    result: object


@dataclass(frozen=True)
class Failed:
    """The end of a job, and what its function raised."""

    error: BertdataError


def work(
    sender: Connection,
    log: Path,
    temporary: str,
    environment: Mapping[str, str],
    function: str,
    arguments: Sequence[object],
) -> NoReturn:
    """Call a function, report to the process that asked for it, and end this one.

    `temporary`: a folder of this job's own for temporary files.
    """
    os.setsid()
    signal.signal(signal.SIGTERM, _stop)
    os.environ.clear()
    os.environ.update({**environment, "TMPDIR": temporary})
    tempfile.tempdir = temporary  # not what the fork server found
    _write_output_to(log)
    _end_with_parent(temporary)
    status = 1
    try:
        sender.send(_call(function, arguments, lambda what: sender.send(Said(what))))
        status = 0
    except BaseException:
        with suppress(OSError):  # a full disk
            traceback.print_exc()
    finally:
        # All that was made is on disk. Beam's threads may wait for ever for a worker that died.
        os._exit(status)


def _call(
    function: str, arguments: Sequence[object], say: Callable[[object], None]
) -> Done | Failed:
    try:
        return Done(pkgutil.resolve_name(function)(*arguments, say))
    except BertdataError as error:
        return Failed(error)


def _stop(number: int, frame: object) -> None:
    signal.alarm(1)  # ends it where Python ignores the exception: in callbacks, as those of a fork
    raise SystemExit(128 + number)


def _write_output_to(log: Path) -> None:
    """Let all output of this process go to a file; if it cannot be written, it is lost."""
    with suppress(OSError):
        log.write_bytes(b"")
        with log.open("ab", buffering=0) as file:  # others add to it, too
            for number in (1, 2):
                os.dup2(file.fileno(), number)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # this process may end without a flush
    show_stacks_on_signal()


def _end_with_parent(temporary: str) -> None:
    """End this process when the one that asked for it has ended, however.

    `temporary`: the job's folder for temporary files, which nobody else would remove then.
    """
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        shutil.rmtree(temporary, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
