"""Another user of the same machine reaches nothing of a run, and disturbs nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bertdata.storage.manifest import read_manifest
from bertdata.storage.shards import sha256_of
from flows.config import Run, load_config
from flows.paths import RunPaths
from tests.flows_fixtures import MAKERS
from tests.process_tree import marked
from tests.sockets import LOOPBACK, find_inodes, find_ports, find_sockets

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for all sockets"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user"),
]

_NOBODY = 65534
_CONFIG = """
seed = 7
[[corpus]]
name = "books"
format = "text"
paths = ["{folder}/*.txt"]
[vocab]
size = 300
[examples]
max_seq_length = 64
num_shards = 4
[runner]
workers = 2
[train]
hidden_size = 16
num_layers = 1
num_heads = 1
steps = 10
threads = 1
"""


def write_config(folder: Path) -> Path:
    """A run on enough text for two workers."""
    text = "".join(f"The {n} mills of the town grind {n * 7} sacks.\n\n" for n in range(13_000))
    for number in range(4):
        (folder / f"{number}.txt").write_text(text.replace("mills", f"mills{number}"))
    config = folder / "run.toml"
    config.write_text(_CONFIG.format(folder=folder))
    return config


def as_nobody(function: Callable[..., object], *arguments: object) -> object:
    """What a function returns in a process of a user without rights."""
    receiver, sender = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(
        target=_work_as_nobody, args=(sender, function, arguments)
    )
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    return found


def _work_as_nobody(
    sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
    sender.send(function(*arguments))


def attack_port(port: int) -> list[str]:
    """What a stranger gets from a port beside refusals."""
    gained = []
    for path in ("flow_runs/filter", "admin/settings", "logs/filter", "work_pools/filter"):
        for method in ("GET", "POST"):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/{path}",
                data=b"{}" if method == "POST" else None,
                headers={"Content-Type": "application/json"},
                method=method,
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    gained.append(f"{method} {path}: {answer.status}")
            except urllib.error.HTTPError as error:
                if error.code != 401:
                    gained.append(f"{method} {path}: {error.code}")
            except OSError:
                pass
    for payload in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), os.urandom(1 << 16), b"\0"):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        ):
            connection.sendall(payload)
            connection.settimeout(0.2)
            connection.recv(1 << 16)
    return gained


def attack_socket(name: str) -> str:
    """What happens to a stranger who connects."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(name.replace("@", "\0", 1) if name.startswith("@") else name)
        except (PermissionError, FileNotFoundError, ConnectionRefusedError):
            return "refused"
        return f"{name}: connected"


@contextlib.contextmanager
def running(config: Path, output: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment, mark = marked({**os.environ, "PREFECT_HOME": str(output.parent / "prefect")})
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "flows", "run", str(config), "--output", str(output)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        yield process, mark


@pytest.mark.usefixtures("untraced", "jobs_in_process", "trainer_in_process")
def test_a_stranger_gets_nothing_and_disturbs_nothing(
    tmp_path: Path, prefect_database: Path
) -> None:
    config = write_config(tmp_path)
    (tmp_path / "prefect").mkdir()
    shutil.copy(prefect_database, tmp_path / "prefect" / "prefect.db")
    run = Run(config=load_config(config), base=tmp_path, paths=RunPaths(tmp_path / "quiet"))
    for make in MAKERS.values():  # in this process, where nobody could disturb it
        make(run, lambda event: None)

    ports: set[tuple[str, int]] = set()
    sockets: set[str] = set()
    gained: list[object] = []
    with running(config, tmp_path / "attacked") as (process, mark):
        while process.poll() is None:
            own = find_inodes(mark)
            new_ports, new_sockets = find_ports(own) - ports, find_sockets(own) - sockets
            gained += [as_nobody(attack_port, port) for _, port in new_ports]
            gained += [as_nobody(attack_socket, name) for name in new_sockets]
            ports |= new_ports
            sockets |= new_sockets
            time.sleep(0.2)  # a look takes computing
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert {address for address, _ in ports} == {LOOPBACK}
    assert len(ports) == 1, "Prefect's server alone"
    assert len(sockets) >= 3  # the pool's service, and the runner's
    assert gained.count([]) == 1
    assert gained.count("refused") == len(gained) - 1, gained
    for stage in ("sentences", "vocab", "examples"):
        quiet, attacked = (
            read_manifest(tmp_path / name / stage).content_sha256 for name in ("quiet", "attacked")
        )
        assert quiet == attacked
    weights = "model/model.safetensors"
    assert sha256_of(tmp_path / "quiet" / weights) == sha256_of(tmp_path / "attacked" / weights)
