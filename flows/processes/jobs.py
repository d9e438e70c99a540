"""Functions that run in processes of their own, which are forks of one that has all imported.

A process gives its memory back, can be killed, and gets the main thread that some of Beam's runners
need. The standard library's fork server makes it in hundredths of a second.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bertdata.errors import CrashError
from bertdata.processes.temporary_folders import temporary_folder
from flows.processes.fork_server import fork, fork_environment, prepare_jobs
from flows.processes.job_process import Done, Failed, Said, work
from flows.processes.stacks import keep_stacks, write_stacks
from flows.processes.watchdog import FOR_EVER, Patience, Watchdog

_END_SECONDS = 5.0


class JobDiedError(Exception):
    """A job ended without a result. `status`: its exit status, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def run_job(
    function: str,
    arguments: Sequence[object],
    log: Path,
    say: Callable[[Any], None],
    patience: Patience = FOR_EVER,
    name: str = "the job",
) -> object:
    """Call `function(*arguments, say)` in a process of its own; returns what it returns.

    `function`: its module and name, such as "json:loads"; this process does not import it. `say`:
    called here with each thing that the function says. `log`: gets its stderr, as far as the disk
    has space. `name`: for messages. If the caller is interrupted or dies, the process ends.

    Raises the BertdataError that the function raises, CrashError if it hangs for longer than
    `patience`, and JobDiedError if it dies.
    """
    prepare_jobs()
    # What a job that is killed leaves there goes with it.
    with temporary_folder() as temporary:
        receiver, job = _start(log, str(temporary), function, arguments)
        try:
            with Watchdog(patience, job.pid or 0, lambda: _end_stalled(job, log)) as dog:
                while isinstance(message := _receive(receiver), Said):
                    dog.pat()
                    say(message.what)
            job.join(_END_SECONDS)
        finally:
            _end(job)
            receiver.close()
    match message:
        case Done():
            return message.result
        case Failed():
            raise message.error
    if seconds := dog.bitten_after:
        raise CrashError(
            f"{name} made no progress for {seconds / 60:g} minutes and was ended; where each of "
            f"its processes stood is in {keep_stacks(log)}; run again to continue"
        )
    raise JobDiedError(job.exitcode or 0)


def _start(
    log: Path, temporary: str, function: str, arguments: Sequence[object]
) -> tuple[Connection, BaseProcess]:
    """Start a job; what it reports can be received."""
    receiver, sender = Pipe(duplex=False)
    try:
        job = fork(work, sender, log, temporary, fork_environment(), function, arguments)
    except (EOFError, ConnectionError) as error:
        raise JobDiedError(1) from error  # the fork server died just now
    finally:
        sender.close()
    return receiver, job


def _receive(receiver: Connection) -> Said | Done | Failed | None:
    """The next message; None if the job ended without one."""
    try:
        return receiver.recv()  # type: ignore[no-any-return]
    except (EOFError, OSError):
        return None


def _end_stalled(job: BaseProcess, log: Path) -> None:
    """End a job that hangs; its log says where each process stood."""
    write_stacks(job.pid or 0, log)
    job.kill()


def _end(job: BaseProcess) -> None:
    """End a job and all that it started: SIGTERM, so that it can clean up, then SIGKILL."""
    if job.exitcode is None:
        job.terminate()
        job.join(_END_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        if job.pid:
            os.killpg(job.pid, signal.SIGKILL)
    job.join()
