"""The files that patterns name: literal paths, or globs that enter each folder once."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_RECURSIVE = "**"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern below an existing folder. `parts`: the names to match in `folder`, one per level.

    `is_literal`: the pattern names one file; otherwise its parts are a glob.
    """

    folder: str
    parts: tuple[str, ...]
    is_literal: bool


def read_pattern(pattern: Path, base: Path) -> Pattern:
    """Split a pattern, relative to `base`, at its first part with a wildcard.

    An existing file or folder with exactly this name, such as "notes [1].txt", is not a wildcard.
    """
    folder, parts = base.absolute(), list(pattern.parts)
    while len(parts) > 1 and (not glob.has_magic(parts[0]) or _is_folder(folder / parts[0])):
        folder /= parts.pop(0)
    is_literal = len(parts) == 1 and (not glob.has_magic(parts[0]) or _is_there(folder / parts[0]))
    return Pattern(os.path.normpath(folder), tuple(parts), is_literal)


def match_pattern(pattern: Pattern) -> Iterator[str]:
    """Paths of files and folders that match, with `**` as in Python's `glob`.

    Links to folders are followed, but each folder is entered once, so that loops end.
    """
    if pattern.is_literal:
        path = Path(pattern.folder, *pattern.parts)
        if os.path.lexists(path):
            yield str(path)
    else:
        yield from map(os.path.normpath, _expand(pattern.folder, pattern.parts))


def each_once(paths: Iterable[str], root: str) -> set[str]:
    """One path per file: the one with the fewest links and the fewest parts below `root`."""
    real_root = os.path.realpath(root)
    kept: dict[str, tuple[bool, bool, int, str]] = {}
    for path in paths:
        real = os.path.realpath(path)
        has_links = os.path.join(real_root, os.path.relpath(path, root)) != real  # noqa: PTH118
        key = (has_links, os.path.islink(path), path.count(os.sep), path)  # noqa: PTH114
        kept[real] = min(key, kept.get(real, key))
    return {path for *_, path in kept.values()}


def _is_there(path: Path) -> bool:
    return os.path.lexists(path) and not _is_folder(path)


def _is_folder(path: Path | str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (never raises)


def _expand(folder: str, parts: Sequence[str]) -> Iterator[str]:
    if _RECURSIVE not in parts:
        yield from _glob(folder, parts)
        return
    place = parts.index(_RECURSIVE)
    for top in _glob(folder, parts[:place]) if place else (folder,):
        for found in _walk(top):
            yield from _expand(found, parts[place + 1 :] or ("*",))


def _glob(folder: str, parts: Sequence[str]) -> list[str]:
    return glob.glob(os.path.join(glob.escape(folder), *parts))  # noqa: PTH118, PTH207


def _walk(top: str) -> Iterator[str]:
    """A folder and those below it, each once, hidden ones never; links after all others."""
    folders, links, seen = deque([top]), deque[str](), set[str]()
    while folders or links:
        folder = (folders or links).popleft()
        real = os.path.realpath(folder)
        if real in seen or not _is_folder(folder):
            continue
        seen.add(real)
        yield folder
        for entry in _entries(folder):
            if not entry.name.startswith(".") and entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a folder; none if it cannot be read, as in `glob`."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
