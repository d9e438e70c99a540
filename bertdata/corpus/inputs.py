"""The files that patterns name: literal paths and addresses, or globs, each folder entered once."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import cast

from bertdata.errors import InputError
from bertdata.storage.files import is_file, is_folder, list_files, list_folders
from bertdata.storage.locations import Address, Location, is_address, locate

_RECURSIVE = "**"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern below an existing folder. `parts`: the names to match in `folder`, one per level.

    `is_literal`: the pattern names one file; otherwise its parts are a glob.
    """

    folder: Location
    parts: tuple[str, ...]
    is_literal: bool


def locate_pattern(text: str, base: Location) -> Location:
    """Where a pattern of a configuration leads; a relative path of this machine stays relative.

    From a base on other storage it leads there: "*.txt" from s3://bucket/run to s3://bucket/run/*.txt.
    """
    if is_address(text):
        return locate(text)
    path = cast(Path, locate(text)).expanduser()
    if isinstance(base, Path) or path.is_absolute():
        return path
    normal = os.path.normpath(PurePosixPath("/", base.path, path))
    return replace(base, path=normal.strip("/"))


def read_pattern(pattern: Location, base: Location) -> Pattern:
    """Split a pattern, relative to `base`, at its first part with a wildcard.

    An existing file or folder with exactly this name, such as "notes [1].txt", is not a wildcard.
    """
    folder, parts = _split(pattern, base)
    while len(parts) > 1 and (not glob.has_magic(parts[0]) or _is_folder(folder / parts[0])):
        folder /= parts.pop(0)
    is_literal = len(parts) == 1 and (not glob.has_magic(parts[0]) or _is_there(folder / parts[0]))
    if isinstance(folder, Path):
        folder = Path(os.path.normpath(folder))
    return Pattern(folder, tuple(parts), is_literal)


def _split(pattern: Location, base: Location) -> tuple[Location, list[str]]:
    """The folder where a pattern starts, and its parts."""
    if isinstance(pattern, Address):
        return replace(pattern, path=""), pattern.path.split("/")
    return (base if isinstance(base, Path) else Path()).absolute(), list(pattern.parts)


def match_pattern(pattern: Pattern, *, follow_links: bool = True) -> Iterator[str]:
    """Paths of files and folders, or addresses of files, that match; `**` as in Python's `glob`.

    Links to folders are followed, but each folder is entered once, so that loops end. Raises
    OSError when another storage does not answer, and, unless `follow_links`, InputError for a link
    that leads out of the pattern's folder; that folder may be a link itself.
    """
    folder = pattern.folder
    if isinstance(folder, Address):
        yield from map(str, _match_address(folder, pattern))
        return
    top = None if follow_links else os.path.realpath(folder)
    for path in _match_local(folder, pattern, top):
        _check_inside(path, top)
        yield path


def _match_address(folder: Address, pattern: Pattern) -> Iterator[Address]:
    if pattern.is_literal:
        return _find(folder, *pattern.parts)
    return _expand_address(folder, pattern.parts)


def _match_local(folder: Path, pattern: Pattern, top: str | None) -> Iterator[str]:
    if not pattern.is_literal:
        yield from map(os.path.normpath, _expand(str(folder), pattern.parts, top))
    elif os.path.lexists(path := Path(folder, *pattern.parts)):
        yield str(path)


def _check_inside(path: str, top: str | None) -> None:
    """Raise InputError if a path leads out of the folder `top`; None: it may."""
    if top is not None and not Path(real := os.path.realpath(path)).is_relative_to(top):
        raise InputError(
            f"{path} leads out of its folder, to {real}; remove the link, or allow such links with "
            "follow_links = true if you trust who made it"
        )


def name_files(paths: Iterable[str], patterns: Iterable[Pattern]) -> list[tuple[str, str]]:
    """(name, path) of each file that patterns match, once, in order of their names.

    A name is the path below the folder that all patterns share.
    """
    folders = [pattern.folder for pattern in patterns]
    if all(isinstance(folder, Path) for folder in folders):
        root = os.path.commonpath(map(str, folders))
        files = each_once(paths, root)
        return sorted((Path(path).relative_to(root).as_posix(), path) for path in files)
    bare = {_without_options(path): path for path in paths}
    root = _common_folder([_without_options(str(folder)) for folder in folders])
    return sorted((name.removeprefix(root).lstrip("/"), path) for name, path in bare.items())


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


def _without_options(text: str) -> str:
    location = locate(text)
    return f"{location.root}/{location.path}" if isinstance(location, Address) else text


def _common_folder(folders: Sequence[str]) -> str:
    levels = zip(*(folder.split("/") for folder in folders))
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _is_there(path: Location) -> bool:
    if isinstance(path, Address):
        return is_file(path)
    return os.path.lexists(path) and not _is_folder(path)


def _is_folder(path: Location | str) -> bool:
    if isinstance(path, Address):
        return is_folder(path)
    return os.path.isdir(path)  # noqa: PTH112 (never raises)


def _find(folder: Address, name: str) -> Iterator[Address]:
    if is_file(folder / name):
        yield folder / name


def _expand_address(folder: Address, parts: Sequence[str]) -> Iterator[Address]:
    name, *others = parts
    if name == _RECURSIVE:  # one listing, as object stores are made for
        for found in list_files(folder, recursive=True):
            if _is_match(found.path.split("/"), parts):
                yield folder / found.path
    elif others:
        for inner in list_folders(folder) if glob.has_magic(name) else (name,):
            if _is_match([inner], [name]):
                yield from _expand_address(folder / inner, others)
    elif glob.has_magic(name):
        for found in list_files(folder):
            if _is_match([found.path], [name]):
                yield folder / found.path
    else:
        yield from _find(folder, name)


def _is_match(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the names of folders and a file match a glob's parts: no wildcard for a first dot."""
    if not (names and parts):
        return not (names or parts)
    if parts[0] != _RECURSIVE:
        is_seen = parts[0].startswith(".") or not names[0].startswith(".")
        is_same = names[0] == parts[0] or (is_seen and fnmatch.fnmatchcase(names[0], parts[0]))
        return is_same and _is_match(names[1:], parts[1:])
    if _is_match(names, parts[1:] or ("*",)):
        return True
    return not names[0].startswith(".") and _is_match(names[1:], parts)


def _expand(folder: str, parts: Sequence[str], within: str | None) -> Iterator[str]:
    if _RECURSIVE not in parts:
        yield from _glob(folder, parts)
        return
    place = parts.index(_RECURSIVE)
    for top in _glob(folder, parts[:place]) if place else (folder,):
        for found in _walk(top, within):
            yield from _expand(found, parts[place + 1 :] or ("*",), within)


def _glob(folder: str, parts: Sequence[str]) -> list[str]:
    return glob.glob(os.path.join(glob.escape(folder), *parts))  # noqa: PTH118, PTH207


def _walk(top: str, within: str | None) -> Iterator[str]:
    """A folder and those below it, each once, hidden ones never; links after all others.

    Raises InputError before it enters one that is not in the folder `within`.
    """
    folders, links, seen = deque([top]), deque[str](), set[str]()
    while folders or links:
        folder = (folders or links).popleft()
        real = os.path.realpath(folder)
        if real in seen or not _is_folder(folder):
            continue
        _check_inside(folder, within)
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
