"""The file system behind a location: `pyarrow.fs`, or fsspec's for storages that it lacks.

Credentials, endpoints and regions come from where pyarrow takes them: the environment, such as
AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL, the storage's own files, or the address, as in
s3://bucket/run?region=eu-west-1.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from bertdata.errors import BertdataError
from bertdata.storage.locations import Address, Location

# Where a file can be seen under its name while it is being written.
_RENAMED_SCHEMES = ("hdfs", "viewfs")
_ARROW_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", *_RENAMED_SCHEMES)


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
    """Turn whatever the library of a storage raises into OSError, which all files can raise."""
    try:
        yield
    except (OSError, BertdataError, MemoryError):
        raise
    except (pa.ArrowException, ValueError, RuntimeError, LookupError, TypeError) as error:
        lines = str(error).splitlines()
        raise OSError(f"{type(error).__name__}: {lines[0] if lines else ''}") from error


@functools.cache
def _local() -> fs.FileSystem:
    return fs.LocalFileSystem()


@functools.cache
def _arrow_filesystem(root: str, query: str) -> tuple[fs.FileSystem, str]:
    # gcs:// is fsspec's name of what pyarrow calls gs://.
    address = f"gs{root.removeprefix('gcs')}" if root.startswith("gcs:") else root
    try:
        system, path = fs.FileSystem.from_uri(f"{address}?{query}" if query else address)
    except (pa.ArrowException, OSError, ValueError, ImportError) as error:
        raise BertdataError(f"cannot use {root}: {_first_line(error)}") from error
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
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _options(query: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
