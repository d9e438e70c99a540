"""Files that are either complete or absent: atomic writing, checksums, Arrow shards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bertdata.errors import BertdataError, DataError

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One finished file of a stage: path within its folder, rows, bytes, sha256 (hex)."""

    path: str
    rows: int
    bytes: int
    sha256: str


@contextlib.contextmanager
def atomic_file(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it is fsynced and renamed.

    After a power cut the folder has the old file or the new one, never half a file; the new one is
    certain once `sync_names` has been called. With `synced` False the caller promises to call
    `sync_files` before anything relies on the file. On any error the temporary file is removed and
    `path` is unchanged. A full disk or a folder without write permission raises BertdataError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _create_beside(path)
        rights = temporary.stat().st_mode & 0o777
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        # safetensors replaces the file by one of its own that only the owner may read.
        temporary.chmod(rights)
        if synced:
            _fsync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _create_beside(path: Path) -> Path:
    """A new, empty, hidden file in the folder of `path`, with the rights that the umask leaves."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    # O_EXCL: two writers of the same path never share a temporary file.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


def sync_files(folder: Path, shards: Iterable[Shard]) -> None:
    """Wait until the contents of these files are on disk and would survive a power cut."""
    for shard in shards:
        _sync(folder / shard.path)


def sync_names(folder: Path) -> None:
    """Wait until the names of all files of a folder are on disk."""
    _sync(folder)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; line ends are not changed."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, ending in a newline.

    File names that are not UTF-8 survive: their lone surrogates are written as JSON escapes.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def write_arrow(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    compression: str | None = None,
) -> Shard:
    """Write record batches as one Arrow IPC file, atomically; the file keeps the same batches.

    The file is not yet synced: call `sync_files` later, so that other work can go on meanwhile.
    `compression`: None, "lz4" or "zstd", for each column of each batch. Only uncompressed columns
    can be memory-mapped without a copy.
    """
    rows = 0
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with atomic_file(path, synced=False) as temporary:
        with (
            pa.OSFile(str(temporary), "wb") as file,
            # Otherwise each buffer of each batch, and its padding, is a system call.
            pa.BufferedOutputStream(file, _BLOCK_BYTES) as sink,
            pa.ipc.new_file(sink, schema, options=options) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
                del batch  # the next one may need its memory
        size, digest = temporary.stat().st_size, sha256_of(temporary)
    return Shard(path=path.name, rows=rows, bytes=size, sha256=digest)


def describe_file(path: Path, rows: int) -> Shard:
    """The shard record of an existing file."""
    return Shard(path=path.name, rows=rows, bytes=path.stat().st_size, sha256=sha256_of(path))


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def open_arrow(path: Path, *, mapped: bool = True) -> Iterator[pa.RecordBatchFileReader]:
    """A reader of the record batches of an Arrow IPC file, memory-mapped or read on demand.

    Raises DataError when the file is missing, cut short or not Arrow, also when this is found only
    while reading.
    """
    with (
        arrow_errors_as_data_errors(path),
        pa.memory_map(str(path)) if mapped else pa.OSFile(str(path)) as source,
    ):
        yield pa.ipc.open_file(source)


def map_arrow(path: Path) -> pa.Buffer:
    """A memory map of an Arrow IPC file; the file itself can be closed.

    Raises DataError when the file is missing.
    """
    with arrow_errors_as_data_errors(path), pa.memory_map(str(path)) as source:
        return source.read_buffer()


@contextlib.contextmanager
def arrow_errors_as_data_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading a damaged, cut or foreign file into DataError."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        message = f"{path} is not a complete Arrow file ({first_line(error)}); make it again"
        raise DataError(message) from error


def check_inside(folder: Path, path: str) -> None:
    """Raise DataError when `path`, relative to a folder, leads out of the folder.

    Symbolic links are followed: one that points elsewhere leads out. The folder itself may be one.
    """
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{folder / path}: leaves its folder; do not trust the manifest that names it"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for one-line messages."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _cannot_write(path: Path, error: OSError) -> BertdataError:
    return BertdataError(f"cannot write {path}: {error.strerror or first_line(error)}")


def _sync(path: Path) -> None:
    try:
        _fsync(path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
