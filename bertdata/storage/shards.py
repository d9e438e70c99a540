"""The files of a stage: what they are, checksums, and Arrow files of record batches."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bertdata.errors import DataError, StorageError, damaged_file, missing_file
from bertdata.storage.files import iterate_blocks, open_arrow_file, size_of
from bertdata.storage.foreign import is_in_cache
from bertdata.storage.locations import Address, Location, is_inside
from bertdata.storage.writing import atomic_file, sync

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One finished file of a stage: path within its folder, rows, bytes, sha256 (hex)."""

    path: str
    rows: int
    bytes: int
    sha256: str


def write_arrow(
    location: Location,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    compression: str | None = None,
) -> Shard:
    """Write record batches as one Arrow IPC file, atomically; the file keeps the same batches.

    The file is not yet synced: call `sync_files` later, so that other work can go on meanwhile.
    `compression`: None, "lz4" or "zstd", for each column of each batch. Only uncompressed columns
    can be memory-mapped without a copy.
    """
    with atomic_file(location, synced=False) as temporary:
        rows = _write_batches(temporary, schema, batches, compression)
        size, digest = temporary.stat().st_size, sha256_of(temporary)
    return Shard(path=location.name, rows=rows, bytes=size, sha256=digest)


def write_passing(location: Location, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """`write_arrow` for a file that is needed for a while only: not hashed, never synced.

    After a power cut it may be cut short, which whoever opens it notices.
    """
    with atomic_file(location, synced=False) as temporary:
        _write_batches(temporary, schema, batches, None)


def _write_batches(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], compression: str | None
) -> int:
    rows = 0
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with (
        pa.OSFile(str(path), "wb") as file,
        # Otherwise each buffer of each batch, and its padding, is a system call.
        pa.BufferedOutputStream(file, _BLOCK_BYTES) as sink,
        pa.ipc.new_file(sink, schema, options=options) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
            del batch  # the next one may need its memory
    return rows


def sync_files(folder: Location, shards: Iterable[Shard]) -> None:
    """Wait until the contents of these files are on disk and would survive a power cut."""
    for shard in shards:
        sync(folder / shard.path)


def describe_file(location: Location, rows: int) -> Shard:
    """The shard record of an existing file."""
    return Shard(path=location.name, rows=rows, bytes=size_of(location), sha256=sha256_of(location))


def sha256_of(location: Location) -> str:
    """The hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    for block in iterate_blocks(location, _BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def open_arrow(
    location: Location, *, mapped: bool = True, options: pa.ipc.IpcReadOptions | None = None
) -> Iterator[pa.RecordBatchFileReader]:
    """A reader of the record batches of an Arrow IPC file.

    A file of this machine is memory-mapped unless `mapped` is False; of others, batches are fetched
    as they are read. `options`: of Arrow's reader. Raises DataError when the file is missing, cut
    short or not Arrow, also when this is found only while reading.
    """
    with (
        arrow_errors_as_data_errors(location),
        pa.memory_map(str(location))
        if mapped and isinstance(location, Path)
        else open_arrow_file(location) as source,
    ):
        yield pa.ipc.open_file(source, options=options)


def map_arrow(location: Location) -> pa.Buffer:
    """A memory map of an Arrow IPC file, or its bytes; the file itself can be closed.

    Raises DataError when the file is missing.
    """
    with arrow_errors_as_data_errors(location):
        if isinstance(location, Path):
            with pa.memory_map(str(location)) as source:
                return source.read_buffer()
        with open_arrow_file(location) as source:
            return source.read_buffer()


@contextlib.contextmanager
def arrow_errors_as_data_errors(location: Location) -> Iterator[None]:
    """Turn errors of reading a damaged, cut or foreign file into DataError.

    StorageError where the storage that it lies on cannot be read.
    """
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = first_line(error)
        if isinstance(error, FileNotFoundError):
            raise missing_file(location) from error
        if isinstance(error, OSError) and isinstance(location, Address):
            # The file may be whole, and the way to it broken.
            raise StorageError(
                f"cannot read {location}: {reason}; run again when its storage answers"
            ) from error
        raise damaged_file(f"{location} is not a complete Arrow file ({reason})") from error


def check_inside(folder: Location, path: str) -> None:
    """Raise DataError when `path`, relative to a folder, leads out of the folder.

    Symbolic links are followed: one that points elsewhere leads out, unless it does as all do in
    the cache of Hugging Face's hub. The folder itself may be one.
    """
    found, top = folder / path, folder
    if isinstance(found, Path) and isinstance(top, Path):
        found, top = found.resolve(), top.resolve()
        if is_in_cache(found, top):
            return
    elif ".." in path.split("/"):
        found = top
    if not is_inside(found, top) or found == top:
        raise DataError(
            f"{folder / path}: leaves its folder; do not trust the manifest that names it, "
            f"make {folder} again"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for one-line messages."""
    return (str(error).splitlines() or [type(error).__name__])[0]
