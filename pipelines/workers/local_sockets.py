"""gRPC between the processes of this machine over sockets that only this user can reach.

Beam's embedded runner listens for its workers on all network interfaces, without authentication
(addresses that can be set are asked for in https://github.com/apache/beam/issues/21087): whoever
reaches the machine could read what passes and any file of the user's. Here the servers of a process
listen on Unix sockets instead, in a folder that nobody else may enter; the system itself keeps
strangers out. Nor do a proxy, a firewall or a host name that cannot be resolved stand in the way.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import grpc

from bertdata.processes.socket_folders import find_socket_folder

_Make = Callable[..., Any]


@contextmanager
def serve_locally() -> Iterator[Path]:
    """While this lasts, gRPC servers and channels use sockets in a new folder, which is yielded.

    Those of this process, and of its forks from then on.
    """
    with tempfile.TemporaryDirectory(prefix="bertdata-", dir=find_socket_folder()) as name:
        folder = Path(name)  # mode 0700
        numbers = itertools.count(1)

        def make_server(*arguments: Any, **options: Any) -> _LocalServer:
            return _LocalServer(_server(*arguments, **options), folder, numbers)

        def make_channel(target: str, *arguments: Any, **options: Any) -> grpc.Channel:
            return _insecure_channel(_socket(folder, target), *arguments, **options)

        with mock.patch.multiple(grpc, server=make_server, insecure_channel=make_channel):
            yield folder


_server: _Make = grpc.server
_insecure_channel: _Make = grpc.insecure_channel


class _LocalServer:
    """A gRPC server that listens on Unix sockets, named by numbers that look like ports."""

    def __init__(self, server: grpc.Server, folder: Path, numbers: Iterator[int]) -> None:
        self._server = server
        self._folder = folder
        self._numbers = numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def add_insecure_port(self, address: str) -> int:
        """Listen on the next socket, whatever the address."""
        number = next(self._numbers)
        self._server.add_insecure_port(_socket(self._folder, f"{address}:{number}"))
        return number


def _socket(folder: Path, target: str) -> str:
    return f"unix:{folder}/{target.rpartition(':')[2]}"
