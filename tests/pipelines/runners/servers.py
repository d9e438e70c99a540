"""Other runners and their workers, as processes of their own on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[4] / "shared" / "bin"
_PRISM = _SHARED / "prism-2.77.0-linux-amd64.xz"
_PRISM_SHA256 = "40aec6d9c138066892e726a1a02535fdb9a74001cf17500ad28891f4501e1f14"
_START_SECONDS = 60.0


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A process that listens on a port; ended, with its children, at the end.

    `environment`: what differs from that of this process.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            env={**_environment(), **(environment or {})},
            start_new_session=True,
        )
        try:
            _wait(process, port, log)
            yield f"localhost:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def job_service(log: Path) -> contextlib.AbstractContextManager[str]:
    """Beam's job service, written in Python: the embedded runner behind a portable job's API."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    return serving([sys.executable, "-m", module, "-p", str(port)], port, log)


def worker_pool(
    log: Path,
    wrapper: Sequence[str] = (),
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> contextlib.AbstractContextManager[str]:
    """Beam's own worker pool, as it runs beside a task manager. `wrapper`: goes before it."""
    port = free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    return serving(
        [*wrapper, python, "-m", module, f"--service_port={port}"], port, log, environment
    )


def prism(program: Path, log: Path) -> contextlib.AbstractContextManager[str]:
    """Beam's runner written in Go."""
    port = free_port()
    ports = [f"-job_port={port}", f"-web_port={free_port()}"]
    return serving([str(program), *ports], port, log)


@pytest.fixture(scope="session")
def prism_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of Prism, unpacked."""
    if not _PRISM.is_file():
        pytest.skip("Prism is not beside the checkout")
    packed = _PRISM.read_bytes()
    assert hashlib.sha256(packed).hexdigest() == _PRISM_SHA256
    program = tmp_path_factory.mktemp("prism") / "prism"
    program.write_bytes(lzma.decompress(packed))
    program.chmod(0o755)
    return program


def _environment() -> dict[str, str]:
    """With the interpreter of these tests as `python`, which Beam's pool starts workers with."""
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}: {log.read_text()[-2000:]}")
