"""A server on loopback that speaks the protocol of Google Cloud Storage, for tests with gs://.

    python -m tests.gcs_server

It has a process of its own: pyarrow reads from gs:// without letting other threads go on.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage
from pyarrow import fs

from bertdata.storage.locations import Address, locate

_numbers = itertools.count()


@pytest.fixture(scope="session")
def gcs_options() -> Iterator[str]:
    """The options of an address by which pyarrow finds the server."""
    command = [sys.executable, "-m", "tests.gcs_server"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        yield f"scheme=http&endpoint_override=127.0.0.1:{port}"
        process.kill()


@pytest.fixture
def gs(gcs_options: str) -> Address:
    """A folder in a new bucket."""
    bucket = f"bucket-{next(_numbers)}"
    system, _ = fs.FileSystem.from_uri(f"gs://anonymous@{bucket}?{gcs_options}&project_id=test")
    system.create_dir(bucket)
    address = locate(f"gs://anonymous@{bucket}/folder?{gcs_options}")
    assert isinstance(address, Address)
    return address


def main() -> None:
    """Print the port and serve; the emulator's own server answers one request at a time."""
    handler = functools.partial(RequestHandler, Storage(use_memory_fs=True))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
