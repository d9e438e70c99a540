"""The process that jobs are forks of: a fork server, the standard library's, with all imported."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker, spawn
from multiprocessing.process import BaseProcess
from unittest import mock

from bertdata.processes.socket_folders import find_socket_folder
from flows.processes.children import child_environment

# glibc gives each thread a heap of its own and keeps its free memory. One thread of a process does
# the work here; Beam's many others would each keep some memory.
# Of Arrow's memory pools jemalloc's keeps the least free memory, and always the same amount; Arrow
# takes a different one where jemalloc is missing.
_MEMORY = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
_WARM = "flows.processes.warm"


def fork_environment() -> dict[str, str]:
    """The environment of the fork server, and of what it forks for this process as it is now."""
    return {**child_environment(), **_MEMORY}


def prepare_jobs() -> None:
    """Start the fork server, unless it runs; it gets ready in the background."""
    multiprocessing.set_forkserver_preload([_WARM])
    with (
        mock.patch.object(tempfile, "tempdir", find_socket_folder()),
        _environment(fork_environment()),
    ):
        resource_tracker.ensure_running()  # before the others: it lets signals through at its end
        with _without_interrupts():
            forkserver.ensure_running()


def fork(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Call a function in a fork of the fork server, which has to run."""
    process = multiprocessing.get_context("forkserver").Process(target=function, args=arguments)
    with mock.patch.object(spawn, "get_preparation_data", _preparation_data):
        process.start()
    return process


def _preparation_data(name: str) -> dict[str, object]:
    """What a job is to know of this process: not its main module, which it would run again."""
    return {key: value for key, value in _get_data(name).items() if "main" not in key}


_get_data = spawn.get_preparation_data


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Processes that are started meanwhile get this environment."""
    before = {name: os.environ.get(name) for name in wanted}
    changes = {name: value for name, value in wanted.items() if before[name] != value}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in changes:
            if (value := before[name]) is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started meanwhile ignore Ctrl-C, which is for their parent, at once."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
