"""Where files are: a path of this machine, or an address such as s3://bucket/run.

A `Location` of either kind is put together with `/` and has `name`, `parent`, `suffix` and `stem`.
What is there is asked of `bertdata.storage.files` alone, so that code reads the same for both.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


@dataclass(frozen=True, order=True, slots=True)
class Address:
    """A file or folder on a storage that this machine reaches by an address.

    `root`: scheme and host, such as "s3://bucket". `path`: below it, without a slash at either end.
    `query`: options of the storage after "?", the same for everything below the address.
    """

    root: str
    path: str
    query: str = ""

    def __str__(self) -> str:
        path = f"{self.root}/{self.path}" if self.path else self.root
        # A name such as "page?id=3" would be taken for options without "?" at the end.
        return f"{path}?{self.query}" if self.query or _seems_to_have_options(path) else path

    def __truediv__(self, name: str) -> Address:
        return replace(self, path=posixpath.join(self.path, name))

    @property
    def scheme(self) -> str:
        """The kind of storage, such as "s3"."""
        return self.root.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)

    @property
    def parent(self) -> Address:
        """The folder that this is in."""
        return replace(self, path=posixpath.dirname(self.path))

    @property
    def suffix(self) -> str:
        """The ending of the name, such as ".txt"; "" if it has none."""
        return Path(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem

    def with_name(self, name: str) -> Address:
        """A neighbour in the same folder."""
        return self.parent / name


Location: TypeAlias = Path | Address


def is_address(text: str) -> bool:
    """Whether a text names a file on other storage, as "s3://bucket/a.txt" does."""
    scheme = _SCHEME.match(text)
    return scheme is not None and scheme[0].lower() != "file"


def locate(text: str | Path | Address) -> Location:
    """The location that a path or address names; file:// is a path. Relative paths stay so."""
    if not isinstance(text, str):
        return text
    if not is_address(text):
        is_url = _SCHEME.match(text) is not None
        return Path(unquote(urlsplit(text).path)) if is_url else Path(text)
    given, query = _split_query(text)
    scheme, _, rest = given.partition("://")
    host, _, path = rest.partition("/")
    normal = posixpath.normpath(f"/{path}").strip("/")
    return Address(f"{scheme.lower()}://{host}", normal, query)


def is_inside(location: Location, folder: Location) -> bool:
    """Whether a location is in a folder or below it, by its name alone."""
    if isinstance(location, Address) and isinstance(folder, Address):
        above = f"{folder.path}/" if folder.path else ""
        return location.root == folder.root and f"{location.path}/".startswith(above)
    if isinstance(location, Path) and isinstance(folder, Path):
        return location.is_relative_to(folder)
    return False


def _split_query(text: str) -> tuple[str, str]:
    """An address and its options; a "?" may also be a wildcard, or part of a name."""
    given, _, query = text.rpartition("?")
    has_options = "=" in query or (not query and _seems_to_have_options(given))
    return (given, query) if given and has_options else (text, "")


def _seems_to_have_options(text: str) -> bool:
    return _split_query(text)[0] != text
