"""One run at a time in a folder.

The lock is on the folder itself and belongs to the process that took it: it needs no file, and it
ends with the process, however that ends. On file systems without locks (some network ones) and
platforms without this kind of lock, nothing is held.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bertdata.errors import BertdataError
from bertdata.storage.locations import Address, Location

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def hold(folder: Location, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder, so that no other process can hold it at the same time.

    Object stores have no locks: nothing is held there. Two runs with one configuration write the
    same bytes to the same names, and a run with another is refused by what it finds.

    A folder created only for the lock is removed if still empty. `patience`: seconds to wait for
    another holder. Raises BertdataError when another process holds the folder for longer.
    """
    if isinstance(folder, Address):
        yield
        return
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BertdataError(
            f"cannot use {folder}: {error.strerror}; choose another --output"
        ) from error
    try:
        _lock(folder, handle, time.monotonic() + patience)
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        os.close(handle)


def _lock(folder: Path, handle: int, deadline: float) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise BertdataError(
                    f"another run is writing to {folder}; wait for it, end it, or choose another "
                    "--output"
                ) from error
            time.sleep(_POLL_SECONDS)
        except OSError:
            return  # this file system has no locks
        else:
            return
