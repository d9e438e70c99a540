"""Files of a folder that may come from a stranger, such as a model from the internet.

Only regular files are read: a pipe or a device could never end. A link may lead to a file in its
own folder. It may not lead out of it: what a run writes must never hold the contents of a private
file that a stranger's link points to. One way out is allowed, because all models in the cache of
Hugging Face's hub have it: from `REPO/snapshots/REVISION/` to `REPO/blobs/` of the same repository.

Everything raises OSError, as the other functions for files do, and ValueError for wrong contents.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from bertdata.config import Table
from bertdata.storage.files import open_file
from bertdata.storage.filesystems import storage_errors
from bertdata.storage.locations import Address, Location

_MAX_SETTINGS_BYTES = 16 << 20  # a config.json has 1 KB, an index of shards up to 100 KB
_AHEAD_BYTES = 1 << 16  # old weights are read some bytes at a time, each of which were a request
MAX_PIECES_BYTES = 128 << 20  # the largest published vocabularies have 20 MB


def open_foreign(location: Location) -> BinaryIO:
    """Open a regular file to read bytes at any place of it; never waits for a pipe.

    Raises OSError for anything else, and for a link that leads out of the file's folder.
    """
    if isinstance(location, Address):
        return io.BufferedReader(cast(io.RawIOBase, open_file(location)), _AHEAD_BYTES)
    handle = _open_at_once(location)
    try:
        _check_regular(location, os.fstat(handle))
        _check_place(location, os.fstat(handle))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_foreign(location: Location, max_bytes: int) -> bytes:
    """All of a file. Raises OSError as `open_foreign`, and if there are more than `max_bytes`."""
    with storage_errors(), open_foreign(location) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size > max_bytes:
            raise OSError(f"{location.name} has {size:,} bytes; the maximum is {max_bytes:,}")
        data = file.read(size + 1)  # no more room than that is taken
    if len(data) != size:
        raise OSError(f"{location.name} changed while it was read")
    return bytes(data)


def read_foreign_table(location: Location) -> Table:
    """The object in a JSON file. Raises OSError as `read_foreign`, ValueError for anything else."""
    return parse_foreign_table(read_foreign(location, _MAX_SETTINGS_BYTES))


def parse_foreign_table(data: bytes) -> Table:
    """The object in the bytes of a JSON file. Raises ValueError for anything else."""
    text = data.decode("utf-8-sig")
    try:
        table = json.loads(text)
        if r"\u" in text:  # an escaped half of a surrogate pair is no text
            json.dumps(table, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None
    if not isinstance(table, dict):
        raise ValueError("it is not a table of settings; copy it again from its source")
    return table


def with_way_out(reason: str) -> str:
    """The reason of an error that these functions raised, with what helps if it does not say it."""
    return reason if "; " in reason else f"{reason}; put a readable copy of the right file there"


def is_in_cache(found: Path, top: Path) -> bool:
    """Whether a file is among the blobs of the repository that the folder is a snapshot of."""
    snapshots = (above for above in top.parents if above.name == "snapshots")
    return any(found.parent == above.parent / "blobs" for above in snapshots)


def _open_at_once(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _irregular(path) from error
        raise


def _check_regular(path: Path, opened: os.stat_result) -> None:
    if stat.S_ISDIR(opened.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(opened.st_mode):
        raise _irregular(path)


def _irregular(path: Path) -> OSError:
    return OSError(f"{path.name} is not a regular file; put a copy of the right file there")


def _check_place(path: Path, opened: os.stat_result) -> None:
    """Raise OSError if the file that was opened is not one that `path` may lead to."""
    found, top = path.resolve(), path.parent.resolve()
    if not (found.is_relative_to(top) or is_in_cache(found, top)):
        raise OSError(
            f"{path.name} is a link that leads out of its folder, to {found}; "
            "if you trust it, put a copy of the file in its place"
        )
    # Of the place that was just looked at, not of one that the path led to a moment before.
    if not os.path.samestat(found.lstat(), opened):
        raise OSError(f"{path.name} changed while it was opened; run again")
