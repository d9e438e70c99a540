"""Folders of this machine copied to other storage."""

from __future__ import annotations

from pathlib import Path

from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.writing import atomic_file


def copy_folder(folder: Path, target: Location) -> None:
    """Copy every file of a folder, and of those below it, into another."""
    for found in list_files(folder, recursive=True):
        write_bytes(target / found.path, read_bytes(folder / found.path))


def write_bytes(location: Location, content: bytes) -> None:
    """Write a file, or replace it."""
    with atomic_file(location) as temporary:
        temporary.write_bytes(content)
