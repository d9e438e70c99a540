"""Worker processes of the embedded runner: forks of the job's process, which has all imported.

Beam would start each as a new Python, which takes seconds for every stage. It reaches ours as any
worker pool of an EXTERNAL environment: it asks a service to start a worker.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2 as messages
from apache_beam.portability.api import beam_fn_api_pb2_grpc as services
from apache_beam.runners.worker.sdk_worker import SdkHarness

from pipelines.workers.local_sockets import reach_locally, serve_locally
from pipelines.workers.processes import end_with_parent


class _WorkerPool(services.BeamFnExternalWorkerPoolServicer):
    """Processes that wait until a runner asks for workers. `address`: of this service."""

    address = ""

    def __init__(self, count: int) -> None:
        self._workers = [_Worker() for _ in range(count)]
        self._waiting = list(self._workers)

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
        """Tell a process that waits where the runner listens."""
        if not self._waiting:
            return messages.StartWorkerResponse(error="all workers of the pool are taken")
        self._waiting.pop().work_for(request.control_endpoint.url, request.worker_id)
        return messages.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing to do: a worker ends when the runner closes its connection."""
        return messages.StopWorkerResponse()

    def find_death(self) -> str | None:
        """How a worker died, such as "was killed by SIGKILL", if one did."""
        return next((death for worker in self._workers if (death := worker.death)), None)

    def tell(self, folder: Path) -> None:
        """Tell all processes the folder of the sockets."""
        for worker in self._workers:
            worker.tell(str(folder))

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.kill()


@contextmanager
def open_pool(count: int) -> Iterator[_WorkerPool]:
    """A pool of `count` processes, which end with it or with this process.

    To be entered before this process has any other thread: the processes are forks of it.
    """
    pool = _WorkerPool(count)
    try:
        with serve_locally() as folder:
            pool.tell(folder)
            server = grpc.server(ThreadPoolExecutor(1))
            services.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
            pool.address = f"localhost:{server.add_insecure_port('localhost:0')}"
            server.start()
            yield pool
            server.stop(None)
    finally:
        pool.end()


class _Worker:
    """A process that waits for work."""

    def __init__(self) -> None:
        self._is_ended = False
        context = multiprocessing.get_context("fork")
        receiver, self._sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(receiver, os.getpid()), daemon=True)
        self._process.start()
        receiver.close()

    def tell(self, *values: str) -> None:
        self._sender.send(values)

    work_for = tell

    @property
    def death(self) -> str | None:
        code = self._process.exitcode
        if not code or self._is_ended:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited {code}"

    def kill(self) -> None:
        self._is_ended = self.death is None
        self._process.kill()
        self._process.join()
        self._sender.close()


def _serve(receiver: Connection, parent: int) -> None:
    """Be a worker of a runner until it closes the connection."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who gets Ctrl-C ends this one
    (folder,) = receiver.recv()
    with reach_locally(Path(folder)):
        url, worker_id = receiver.recv()
        SdkHarness(url, worker_id=worker_id).run()
    # All that it made is on disk; taking apart what it holds takes time.
    os._exit(0)
