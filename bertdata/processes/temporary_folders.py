"""Folders for temporary files that no signal leaves behind."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder(parent: str | None = None) -> Iterator[Path]:
    """A new folder that only this user can enter, removed at the end with all that is in it.

    `parent`: where it lies; None: in the usual folder for temporary files. What cannot be removed
    is left. `tempfile.TemporaryDirectory` leaves the folder if a signal raises an exception while
    it is made: it does not know the name yet.
    """
    folder = Path(parent or tempfile.gettempdir(), f"bertdata-{secrets.token_urlsafe(6)}")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
