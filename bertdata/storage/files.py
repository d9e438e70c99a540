"""Looking, reading and removing, the same for files of this machine and of any other storage.

Everything raises OSError, as Python's own functions for files do, and BertdataError for a storage
that cannot be used at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
from pyarrow import fs

from bertdata.storage.filesystems import GCS_SCHEMES, GuardedFile, open_filesystem, storage_errors
from bertdata.storage.locations import Address, Location

_BLOCK_BYTES = 1 << 20
_ABSENT = (fs.FileType.NotFound, fs.FileType.Unknown)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file in a listing. `path`: below the folder that was listed, with "/" between its parts.

    `changed`: when it was last written, in nanoseconds since 1970; 0 where that is not known.
    """

    path: str
    bytes: int
    changed: int


def is_file(location: Location) -> bool:
    """Whether there is a file."""
    if isinstance(location, Path):
        return location.is_file()
    return bool(_look_at(location).type == fs.FileType.File)


def is_folder(location: Location) -> bool:
    """Whether there is a folder; on object stores, whether anything is below that name."""
    if isinstance(location, Path):
        return location.is_dir()
    return bool(_look_at(location).type == fs.FileType.Directory)


def exists(location: Location) -> bool:
    """Whether there is anything by that name."""
    if isinstance(location, Path):
        return location.exists()
    return _look_at(location).type not in _ABSENT


def size_of(location: Location) -> int:
    """The size of a file in bytes. Raises FileNotFoundError."""
    return find_file(location).bytes


def find_file(location: Location) -> FoundFile:
    """A file's size and time. Raises FileNotFoundError."""
    if isinstance(location, Path):
        status = location.stat()
        return FoundFile(path=location.name, bytes=status.st_size, changed=status.st_mtime_ns)
    found = _look_at(location)
    if found.type != fs.FileType.File:
        raise FileNotFoundError(2, "No such file", str(location))
    if found.size is None:
        raise OSError("the storage does not say how large it is")
    return FoundFile(path=location.name, bytes=found.size, changed=found.mtime_ns or 0)


def list_files(
    folder: Location, *, recursive: bool = False, with_temporary: bool = False
) -> list[FoundFile]:
    """The files in a folder, by name; with `recursive` those in folders below it too.

    Files that are being written (`is_temporary`) are left out, unless `with_temporary`. A folder
    that is not there has none.
    """
    if isinstance(folder, Path):
        listed = _list_local(folder, recursive)
    else:
        listed = _list_address(folder, recursive)
    kept = (found for found in listed if with_temporary or not is_temporary(found.path))
    return sorted(kept, key=lambda found: found.path)


def list_folders(folder: Location) -> list[str]:
    """The names of the folders in a folder, in order. A folder that is not there has none."""
    if isinstance(folder, Path):
        return sorted(found.name for found in folder.glob("*") if found.is_dir())
    if folder.scheme in GCS_SCHEMES:  # pyarrow lists only those that were made as folders
        paths = (found.path.partition("/") for found in _list_address(folder, recursive=True))
        return sorted({name for name, slash, _ in paths if slash})
    found = _look_into(folder, recursive=False)
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)


def is_temporary(path: str) -> bool:
    """Whether a file is being written, by its name, or is left from a write that was cut off."""
    name = os.path.basename(path)  # noqa: PTH119 (a path below any storage's folder)
    return name.startswith(".") and name.endswith(".tmp")


def open_file(location: Location) -> BinaryIO:
    """Open a file to read bytes at any place of it; parts of it alone are fetched."""
    if isinstance(location, Path):
        return location.open("rb")
    return cast(BinaryIO, GuardedFile(open_arrow_file(location)))


def open_arrow_file(location: Location) -> pa.NativeFile:
    """The same as pyarrow's own kind of file, which its readers take without detours."""
    if isinstance(location, Path):
        return pa.OSFile(str(location))
    system, path = open_filesystem(location)
    with storage_errors():
        try:
            return system.open_input_file(path)
        except FileNotFoundError as error:  # not every storage says which file
            raise FileNotFoundError(2, "No such file", str(location)) from error


def read_bytes(location: Location) -> bytes:
    """All of a file."""
    if isinstance(location, Path):
        return location.read_bytes()
    with storage_errors(), open_file(location) as file:
        return bytes(file.read())


def iterate_blocks(location: Location, block_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """All of a file, a block at a time."""
    with storage_errors(), open_file(location) as file:
        while block := file.read(block_bytes):
            yield block


def remove_file(location: Location) -> None:
    """Remove a file, if it is there."""
    if isinstance(location, Path):
        location.unlink(missing_ok=True)
        return
    system, path = open_filesystem(location)
    with storage_errors():
        if _look_at(location).type == fs.FileType.File:
            system.delete_file(path)


def remove_folder(folder: Location) -> None:
    """Remove a folder with all that is in it, if it is there."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
        return
    system, path = open_filesystem(folder)
    with storage_errors():
        if _look_at(folder).type == fs.FileType.Directory:
            # pyarrow misses a folder of gs:// itself, once the files are removed that made it one.
            with contextlib.suppress(FileNotFoundError):
                system.delete_dir(path)


def remove_temporary_files(folder: Location) -> None:
    """Remove from a folder what killed processes left half-written."""
    for found in list_files(folder, with_temporary=True):
        if is_temporary(found.path):
            remove_file(folder / found.path)


def _look_at(address: Address) -> fs.FileInfo:
    system, path = open_filesystem(address)
    with storage_errors():
        return system.get_file_info(path)


def _look_into(folder: Address, recursive: bool) -> list[fs.FileInfo]:
    system, path = open_filesystem(folder)
    selector = fs.FileSelector(path, recursive=recursive, allow_not_found=True)
    with storage_errors():
        return list(system.get_file_info(selector))


def _list_address(folder: Address, recursive: bool) -> Iterator[FoundFile]:
    _, path = open_filesystem(folder)
    for info in _look_into(folder, recursive):
        if info.type == fs.FileType.File:
            below = info.path.removeprefix(path).lstrip("/")
            yield FoundFile(path=below, bytes=info.size, changed=info.mtime_ns or 0)


def _list_local(folder: Path, recursive: bool) -> Iterator[FoundFile]:
    for found in folder.rglob("*") if recursive else folder.glob("*"):
        try:
            status = found.stat()
        except FileNotFoundError:  # removed or renamed meanwhile
            continue
        if found.is_file():
            below = found.relative_to(folder).as_posix()
            yield FoundFile(path=below, bytes=status.st_size, changed=status.st_mtime_ns)
