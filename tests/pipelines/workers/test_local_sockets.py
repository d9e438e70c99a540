"""gRPC between processes: over sockets in a folder of this user's, never over the network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from pipelines.workers.local_sockets import serve_locally

_ASK_FROM_A_FORK = """
import multiprocessing
import grpc
from pipelines.workers.local_sockets import serve_locally
from tests.pipelines.workers.test_local_sockets import serve_echo

def ask(receiver):
    with grpc.insecure_channel(receiver.recv()) as channel:
        answer = channel.unary_unary("/echo/Ask")
        print(answer(b"who is there", timeout=20).decode())

with serve_locally():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    fork = multiprocessing.get_context("fork").Process(target=ask, args=(receiver,))
    fork.start()
    server, address = serve_echo()
    sender.send(address)
    fork.join()
    server.stop(None).wait()
"""


class Echo(grpc.GenericRpcHandler):
    """Answers any request with its words."""

    def service(self, details: object) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda words, _: b"heard: " + words)


@contextmanager
def serving() -> Iterator[tuple[Path, str]]:
    """A server on a local socket; its folder and its address, as Beam would be told it."""
    with serve_locally() as folder:
        server, address = serve_echo()
        yield folder, address
        server.stop(None).wait()


def serve_echo() -> tuple[grpc.Server, str]:
    """A server that runs, and its address."""
    server = grpc.server(ThreadPoolExecutor(1), handlers=(Echo(),))
    port = server.add_insecure_port("[::]:0")
    server.start()
    return server, f"localhost:{port}"


def listening() -> set[int]:
    """The sockets that this process listens on over TCP, by their inodes."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN
                found.add(int(fields[9]))
    return found & own_sockets()


def own_sockets() -> set[int]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        link = os.readlink(path) if path.is_symlink() else ""  # noqa: PTH115 (not a path)
        if link.startswith("socket:["):
            found.add(int(link[8:-1]))
    return found


def test_another_process_is_heard() -> None:
    """A fork from before the server was there, as workers are."""
    command = [sys.executable, "-c", _ASK_FROM_A_FORK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "heard: who is there\n", done.stderr


def test_this_process_is_heard_whatever_the_host_is_called() -> None:
    with serving() as (_, address):
        port = address.partition(":")[2]
        with grpc.insecure_channel(f"no-such-host.invalid:{port}") as channel:
            assert channel.unary_unary("/echo/Ask")(b"x", timeout=20) == b"heard: x"


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for all sockets")
def test_nothing_listens_on_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        before = listening()
        assert before  # this is how one that does is seen
        with serving():
            assert listening() == before


def test_nobody_else_may_enter_the_folder() -> None:
    with serving() as (folder, _):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [path.is_socket() for path in folder.iterdir()] == [True]
    assert not folder.exists()


def test_each_server_has_its_own_socket() -> None:
    with serve_locally() as folder:
        ports = [grpc.server(ThreadPoolExecutor(1)).add_insecure_port("[::]:0") for _ in range(3)]
        assert len(set(ports)) == 3
        assert all(0 < port < 65536 for port in ports)
    assert not folder.exists()


def test_all_is_as_before_afterwards() -> None:
    before = grpc.server, grpc.insecure_channel
    with serve_locally():
        assert grpc.server is not before[0]
    assert (grpc.server, grpc.insecure_channel) == before
    with pytest.raises(KeyError), serve_locally():
        raise KeyError
    assert (grpc.server, grpc.insecure_channel) == before
