"""gRPC between the processes of this machine over sockets that only this user can reach.

Beam's embedded runner listens for its workers on all network interfaces, without authentication
(addresses that can be set are asked for in https://github.com/apache/beam/issues/21087): whoever
reaches the machine could read what passes and any file of the user's. Here the servers of a process
listen on Unix sockets instead, in a folder that nobody else may enter; the system itself keeps
strangers out. Nor do a proxy, a firewall or a host name that cannot be resolved stand in the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import grpc

from bertdata.processes.socket_folders import find_socket_folder
from bertdata.processes.temporary_folders import temporary_folder

_Make = Callable[..., Any]
_server: _Make = grpc.server
_insecure_channel: _Make = grpc.insecure_channel


@contextmanager
def serve_locally() -> Iterator[Path]:
    """While this lasts, gRPC servers and channels use sockets in a new folder, which is yielded.

    Those of this process, and of its forks from then on.
    """
    with temporary_folder(find_socket_folder()) as folder:
        numbers = itertools.count(1)

        def make_server(*arguments: Any, **options: Any) -> grpc.Server:
            server = _server(*arguments, **options)
            server.add_insecure_port = _listener(server, folder, numbers)
            return server

        def make_channel(target: str, *arguments: Any, **options: Any) -> grpc.Channel:
            return _insecure_channel(_socket(folder, target), *arguments, **options)

        with mock.patch.multiple(grpc, server=make_server, insecure_channel=make_channel):
            yield folder


def _listener(server: grpc.Server, folder: Path, numbers: Iterator[int]) -> Callable[[str], int]:
    """A server's `add_insecure_port`: the next socket, whatever the address; its number."""
    listen = server.add_insecure_port

    def add_insecure_port(address: str) -> int:
        number = next(numbers)
        listen(_socket(folder, f"{address}:{number}"))
        return number

    return add_insecure_port


def _socket(folder: Path, target: str) -> str:
    """The socket whose number a target has in place of a port."""
    return f"unix:{folder}/{target.rpartition(':')[2]}"
