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
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2 as messages
from apache_beam.portability.api import beam_fn_api_pb2_grpc as services
from apache_beam.runners.worker.sdk_worker import SdkHarness

from bertdata.processes.parents import end_with_parent
from pipelines.workers.local_sockets import serve_locally


class _WorkerPool(services.BeamFnExternalWorkerPoolServicer):
    """Processes that wait until a runner asks for workers. `address`: of this service."""

    address = ""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(count)]
        self._waiting = [sender for _, sender in pipes]
        self._processes = [
            context.Process(target=_serve, args=(receiver, os.getpid()), daemon=True)
            for receiver, _ in pipes
        ]
        for process in self._processes:
            process.start()

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
        """Tell a process that waits where the runner listens."""
        if not self._waiting:
            return messages.StartWorkerResponse(error="all workers of the pool are taken")
        self._waiting.pop().send((request.control_endpoint.url, request.worker_id))
        return messages.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing to do: a worker ends when the runner closes its connection."""
        return messages.StopWorkerResponse()

    def find_death(self) -> str | None:
        """How a worker died, such as "was killed by SIGKILL", if one did."""
        codes = (process.exitcode for process in self._processes)
        code = next(filter(None, codes), 0)
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited {code}" if code else None

    def end(self) -> None:
        """End all processes; to be ended is not to die."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.join()


@contextmanager
def open_pool(count: int) -> Iterator[_WorkerPool]:
    """A pool of `count` processes, which end with it or with this process.

    To be entered before this process has any other thread: the processes are forks of it.
    """
    with serve_locally():
        pool = _WorkerPool(count)
        try:
            server = grpc.server(ThreadPoolExecutor(1))
            services.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
            pool.address = f"localhost:{server.add_insecure_port('localhost:0')}"
            server.start()
            yield pool
            server.stop(None)
        finally:
            pool.end()


def _serve(receiver: Connection, parent: int) -> None:
    """Be a worker of a runner until it closes the connection."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who gets Ctrl-C ends this one
    url, worker_id = receiver.recv()
    SdkHarness(url, worker_id=worker_id).run()
    # All that it made is on disk; taking apart what it holds takes time.
    os._exit(0)
