"""The file system behind a location: `pyarrow.fs`, or fsspec's for storages that it lacks.

Credentials, endpoints and regions come from where pyarrow takes them: the environment, such as
AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL, the storage's own files, or the address, as in
s3://bucket/run?region=eu-west-1.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import fs

from bertdata.errors import BertdataError, StorageError
from bertdata.storage.locations import Address, Location

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Where a file can be seen under its name while it is being written.
_RENAMED_SCHEMES = ("hdfs", "viewfs")
# What S3, GCS and their clients say when a second try may succeed.
_PASSING = re.compile(
    r"SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|NETWORK_CONNECTION|REQUEST_TIMEOUT|THROTTL"
    r"|HTTP status 5\d\d|[Tt]imed out|[Cc]onnection (?:refused|reset)"
)
# Of gs:// within pyarrow, which tries for 15 minutes otherwise, also where credentials are missing.
_GCS_RETRIES = "retry_limit_seconds=60"
_HDFS_NEEDS = "install Java and Hadoop with libhdfs; set JAVA_HOME, HADOOP_HOME and CLASSPATH"
_JAVA_WITHOUT_SIGNALS = "-Xrs"
GCS_SCHEMES = ("gs", "gcs")
_ARROW_SCHEMES = ("s3", *GCS_SCHEMES, "abfs", "abfss", *_RENAMED_SCHEMES)


def open_filesystem(location: Location) -> tuple[fs.FileSystem, str]:
    """The file system of a location, and the location's path in it.

    Raises BertdataError when the storage is unknown or its package is missing.
    """
    if isinstance(location, Path):
        return _local(), str(location.absolute())
    if location.scheme in _ARROW_SCHEMES:
        system, root = _arrow_filesystem(location.root, location.query)
        return system, f"{root.rstrip('/')}/{location.path}" if location.path else root
    return _fsspec_filesystem(location)


def renames_when_done(address: Address) -> bool:
    """Whether files of a storage are written under another name first, as those of a disk are."""
    return address.scheme in _RENAMED_SCHEMES


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn whatever the library of a storage raises into OSError, which all files can raise.

    StorageError where it seems to have failed for a while only: that says nothing about the file.
    """
    try:
        yield
    except (BertdataError, MemoryError):
        raise
    except OSError as error:
        if _PASSING.search(str(error)):
            raise StorageError(
                f"storage does not answer: {_first_line(error)}; run again when it does"
            ) from error
        raise
    except Exception as error:  # botocore's and aiohttp's errors have no base but this
        lines = str(error).splitlines()
        raise OSError(f"{type(error).__name__}: {lines[0] if lines else ''}") from error


class GuardedFile(io.RawIOBase):
    """A storage's file to read at any place, of which all errors are OSErrors."""

    def __init__(self, file: io.IOBase) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with storage_errors():
            return bytes(self._file.read(None if size is None or size < 0 else size))

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self.read()

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        with storage_errors():
            return int(self._file.seek(position, whence))

    def tell(self) -> int:
        with storage_errors():
            return int(self._file.tell())

    def close(self) -> None:
        is_open = not self.closed
        super().close()
        if is_open:
            with storage_errors():
                self._file.close()


class _Handler(fs.FSSpecHandler):  # type: ignore[misc]
    """pyarrow's view of fsspec's storages, with errors that say what happened."""

    def open_input_file(self, path: str) -> pa.NativeFile:
        # Without fsspec's own reading ahead, which would fetch megabytes around each place.
        file = self.fs.open(path, mode="rb", cache_type="none")
        return pa.PythonFile(GuardedFile(file), mode="r")


def _leave_signals_alone() -> None:
    """Let HDFS's Java not catch SIGTERM and Ctrl-C, on which it would end this process at once."""
    options = os.environ.get("LIBHDFS_OPTS", "")
    if _JAVA_WITHOUT_SIGNALS not in options:
        os.environ["LIBHDFS_OPTS"] = f"{options} {_JAVA_WITHOUT_SIGNALS}".strip()


@functools.cache
def _local() -> fs.FileSystem:
    return fs.LocalFileSystem()


@functools.cache
def _arrow_filesystem(root: str, query: str) -> tuple[fs.FileSystem, str]:
    # gcs:// is fsspec's name of what pyarrow calls gs://.
    address = f"gs{root.removeprefix('gcs')}" if root.startswith("gcs:") else root
    if address.startswith("gs:") and "retry_limit_seconds=" not in query:
        query = f"{query}&{_GCS_RETRIES}" if query else _GCS_RETRIES
    if address.partition(":")[0] in _RENAMED_SCHEMES:
        _leave_signals_alone()
    try:
        system, path = fs.FileSystem.from_uri(f"{address}?{query}" if query else address)
    except (pa.ArrowException, OSError, ValueError, ImportError) as error:
        way_out = _HDFS_NEEDS if root.startswith("hdfs:") else "correct the address or its options"
        raise BertdataError(f"cannot use {root}: {_first_line(error)}; {way_out}") from error
    return system, path


def _fsspec_filesystem(address: Address) -> tuple[fs.FileSystem, str]:
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(f"{address.root}/{address.path}", **_options(address.query))
    except (ImportError, ValueError, OSError) as error:
        raise BertdataError(
            f"cannot use {address}: no storage named {address.scheme}:// "
            f"({_first_line(error)}); install the fsspec package that knows it"
        ) from error
    system.invalidate_cache()  # files may have changed since it listed them
    return fs.PyFileSystem(_Handler(system)), path


def _options(query: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
