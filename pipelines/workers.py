"""Worker processes of the embedded runner: forks of the job's process.

Beam would start each as a new Python, which imports everything anew: seconds of work for every
stage and worker. A fork has it all. It must be made before the runner starts its threads; then it
waits to be told where the runner listens, and is a Beam worker like any other from there on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    FNAPI_RUNNER_CAPABILITIES,
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.worker.channel_factory import GRPCChannelFactory
from apache_beam.runners.worker.sdk_worker import SdkHarness

from pipelines.processes import end_with_parent

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5.0
_forks: list[_Fork] = []


class _Fork:
    """A process that waits for work. Sending it where a runner listens makes it a worker."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._is_ended = False
        context = multiprocessing.get_context("fork")
        receiver, self._sender = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(target=_serve, args=(receiver, prepare))
        self._process.start()
        receiver.close()

    def serve(self, address: str, worker_id: str) -> None:
        self._sender.send((address, worker_id))

    @property
    def death(self) -> str | None:
        """How it died, such as "was killed by SIGKILL", if neither in peace nor by `kill`."""
        code = self._process.exitcode
        if not code or self._is_ended:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited {code}"

    def kill(self) -> None:
        self._is_ended = self.death is None
        self._process.kill()

    def join(self) -> None:
        self._process.join()
        self._sender.close()


@contextmanager
def forked_workers(count: int, prepare: Callable[[], None]) -> Iterator[None]:
    """Let the embedded runner's worker processes be `count` forks of this process.

    To be entered before anything starts a thread. Those still there at the end are killed.
    `prepare`: what each does while this process sets the runner up.
    """
    forks = [_Fork(prepare) for _ in range(count)]
    _forks.extend(forks)
    waiting = list(forks)

    def make_handler(payload: bytes, *arguments: Any) -> _ForkHandler:
        return _ForkHandler(waiting.pop(), *arguments)

    before = WorkerHandler._registered_environments[python_urns.SUBPROCESS_SDK]
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(make_handler)
    try:
        yield
    finally:
        WorkerHandler._registered_environments[python_urns.SUBPROCESS_SDK] = before
        _end_all(forks)
        _forks.clear()


def find_death() -> str | None:
    """How one of this process's workers died, if one did."""
    return next((death for fork in _forks if (death := fork.death)), None)


@contextmanager
def watched_workers(give_up: Callable[[str], None]) -> Iterator[None]:
    """Call `give_up` with how a worker died, from a thread, where the runner does not end then.

    It mostly does; but its own threads die with the connection, and then it may wait for ever.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_POLL_SECONDS):
            if (death := find_death()) is not None:
                if not is_over.wait(_GRACE_SECONDS):
                    give_up(death)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class _ForkHandler(GrpcWorkerHandler):
    """Beam's end of a worker process."""

    def __init__(self, fork: _Fork, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._fork = fork

    def start_worker(self) -> None:
        self._fork.serve(self.control_address, self.worker_id)

    def stop_worker(self) -> None:
        """It ends as its connection does, while this process goes on."""


def _serve(receiver: Connection, prepare: Callable[[], None]) -> None:
    """Be a Beam worker until the runner closes the connection."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with_parent(parent.pid, signal.SIGKILL)
    prepare()
    GRPCChannelFactory.insecure_channel("localhost:0").close()  # a process's first takes 10 ms
    address, worker_id = receiver.recv()
    SdkHarness(address, worker_id=worker_id, runner_capabilities=FNAPI_RUNNER_CAPABILITIES).run()
    # All that it made is on disk; taking apart what it holds takes time.
    os._exit(0)


def _end_all(forks: Sequence[_Fork]) -> None:
    for fork in forks:
        fork.kill()
    for fork in forks:
        fork.join()
