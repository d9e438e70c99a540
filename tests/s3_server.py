"""A real S3 server on loopback, for tests that store files elsewhere than on a disk."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from pyarrow import fs
from werkzeug.serving import make_server

from bertdata.storage.filesystems import GuardedFile
from bertdata.storage.locations import Address

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of the server.

    Of S3 alone: moto's own server looks for the right one of all services at every request, which
    takes longer than most answers.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app  # takes boto

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = create_backend_app("s3")
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def new_bucket(s3_endpoint: str) -> Callable[[], str]:
    """Makes a bucket and returns its address.

    By one client for all of them: to make a client takes longer than what it is asked to do.
    """
    system = fs.S3FileSystem(
        access_key=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region=_CREDENTIALS["AWS_REGION"],
        endpoint_override=s3_endpoint,
        allow_bucket_creation=True,
    )

    def make() -> str:
        bucket = f"bucket-{next(_numbers)}"
        system.create_dir(bucket)
        return f"s3://{bucket}"

    return make


@pytest.fixture(scope="module")
def _shared_bucket(new_bucket: Callable[[], str]) -> str:
    return new_bucket()


@pytest.fixture
def s3(_shared_bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A folder that nobody else uses, for which the environment has endpoint and credentials.

    In a bucket that the tests of a module share, and so the client that this process keeps of it.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Address(_shared_bucket, f"{next(_numbers)}/folder")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each request for a part of a file, as they come."""
    sizes: list[int] = []
    fetch = GuardedFile.read

    def read(file: GuardedFile, size: int | None = -1, /) -> bytes:
        found = fetch(file, size)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(GuardedFile, "read", read)
    return sizes
