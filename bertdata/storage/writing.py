"""Files that are either complete or absent, on any storage.

On this machine a file is written under a temporary name, synced and renamed. On an object store it
is put together in a temporary file here and sent when it is whole, since there a file appears when
its stream is closed, even by an error.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from bertdata.errors import BertdataError, StorageError
from bertdata.processes.temporary_folders import temporary_folder
from bertdata.storage.files import remove_file
from bertdata.storage.filesystems import open_filesystem, renames_when_done, storage_errors
from bertdata.storage.locations import Address, Location

_BLOCK_BYTES = 8 << 20


@contextlib.contextmanager
def atomic_file(location: Location, *, synced: bool = True) -> Iterator[Path]:
    """A temporary path to write to; on success it becomes the file at `location`.

    On this machine it lies beside the file, is fsynced and renamed: after a power cut the folder
    has the old file or the new one, never half a file; the new one is certain once its folder was
    `sync`ed. With `synced` False the caller promises to call `sync_files` before anything relies
    on the file. On other storage it is sent at the end. On any error the temporary file is removed
    and the file at `location` is unchanged. A full disk or a folder without write permission raises
    BertdataError.
    """
    if isinstance(location, Address):
        with _sent_when_done(location) as temporary:
            yield temporary
        return
    with _renamed_when_done(location, synced) as temporary:
        yield temporary


def write_text(location: Location, text: str) -> None:
    """Write a UTF-8 text file atomically; line ends are not changed."""
    with atomic_file(location) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(location: Location, value: object) -> None:
    """Write a JSON file atomically, indented, ending in a newline.

    File names that are not UTF-8 survive: their lone surrogates are written as JSON escapes.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_text(location, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def sync(location: Location) -> None:
    """Wait until a file's content, or a folder's names, are on disk and survive a power cut.

    What was sent to another storage is safe already.
    """
    if isinstance(location, Path):
        try:
            _fsync(location)
        except OSError as error:
            raise _cannot_write(location, error) from error


def check_writable(folder: Location) -> None:
    """Raise BertdataError unless files can be written to a folder: before hours of work."""
    probe = folder / f".{secrets.token_hex(4)}.tmp"
    with atomic_file(probe):
        pass
    try:
        remove_file(probe)
    except OSError as error:
        raise BertdataError(
            f"cannot remove files from {folder}: {error}; allow it, or choose another --output"
        ) from error


@contextlib.contextmanager
def _renamed_when_done(path: Path, synced: bool) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _create_beside(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        if synced:
            _fsync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _create_beside(path: Path) -> Path:
    """A new, empty, hidden file in the folder of `path`, with the rights that the umask leaves."""
    temporary = Path(_hidden_beside(str(path)))
    # O_EXCL: two writers of the same path never share a temporary file.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


def _hidden_beside(path: str) -> str:
    """A new name in the same folder that listings leave out: see `is_temporary`."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.{secrets.token_hex(4)}.tmp"


@contextlib.contextmanager
def _sent_when_done(address: Address) -> Iterator[Path]:
    try:
        with temporary_folder() as folder:
            temporary = folder / "file"
            temporary.touch()
            yield temporary
            with storage_errors():
                _send(temporary, address)
    except OSError as error:
        raise _cannot_write(address, error) from error


def _send(source: Path, address: Address) -> None:
    system, path = open_filesystem(address)
    sent = _hidden_beside(path) if renames_when_done(address) else path
    with source.open("rb") as file:
        target = system.open_output_stream(sent, compression=None)  # whatever its name says
        shutil.copyfileobj(file, target, _BLOCK_BYTES)
        target.close()  # not in `finally`: a stream that is closed after an error is published
    if sent != path:
        system.move(sent, path)


def _cannot_write(location: Location, error: OSError) -> BertdataError:
    """The error for a file that cannot be written."""
    reason = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    what = f"cannot write {location}: {reason}"
    if isinstance(location, Address):
        return StorageError(f"{what}; check the address and your rights there, and run again")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BertdataError(f"{what}; free some space and run again")
    return BertdataError(f"{what}; allow it, or choose another --output")


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
