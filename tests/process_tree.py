"""The processes of a run, found by a mark in their environment, whoever adopted them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

_MARK = "BERTDATA_TEST_RUN"
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A living process: its number, its parent's, its command line."""

    pid: int
    parent: int
    command: str


def marked(environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The environment for a run, and the mark by which all of its processes are found."""
    mark = uuid.uuid4().hex
    return {**environment, _MARK: mark}, mark


def find_processes(mark: str) -> list[Process]:
    """All living processes of a run; one that only waits to be collected is dead."""
    wanted = f"{_MARK}={mark}".encode()
    return [process for path in Path("/proc").glob("[0-9]*") for process in _read(path, wanted)]


def find_workers(processes: list[Process]) -> list[int]:
    """Beam's workers: forks of a job, which is a fork of the fork server.

    All of these have its command line and, as far as can be seen, its environment.
    """
    parents = {p.pid: p.parent for p in processes if "multiprocessing.forkserver" in p.command}
    return [pid for pid, job in parents.items() if parents.get(job, 0) in parents]


def find_trainers(processes: list[Process]) -> list[int]:
    """The processes that train."""
    return [p.pid for p in processes if "trainer.pretrain" in p.command]


def start_fork_server_again() -> None:
    """End this process's fork server: the next job gets one with the environment of then."""
    server = forkserver._forkserver  # type: ignore[attr-defined]
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)  # else it waits for this one's end
    server._stop()
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def wait_until_gone(mark: str, seconds: float, but: int = 0) -> list[Process]:
    """Wait until no process of a run is left, or `but` so many; returns those that still are."""
    deadline = time.monotonic() + seconds
    while len(left := find_processes(mark)) > but and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def wait_for_handler(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Wait until a process catches a signal."""
    while process.poll() is None and not _is_in("SigCgt", number, process.pid):
        time.sleep(0.001)


def has_been_sent(number: signal.Signals, pid: int) -> bool:
    """Whether a process that is stopped will find a signal when it goes on."""
    return _is_in("ShdPnd", number, pid)


def _is_in(signals: str, number: signal.Signals, pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{signals}:\s*(\w+)", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def _read(path: Path, wanted: bytes) -> Iterator[Process]:
    with contextlib.suppress(OSError):  # it may end while it is looked at
        if wanted not in (path / "environ").read_bytes().split(b"\0"):
            return
        state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
        command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        if state not in "ZX" and int(path.name) != os.getpid():
            yield Process(int(path.name), int(parent), command)
