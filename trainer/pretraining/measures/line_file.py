"""A text file to which lines are added while it can be read, on any storage."""

from __future__ import annotations

import time
from pathlib import Path

from bertdata.storage.locations import Location
from bertdata.storage.writing import write_text

_PAUSE_SECONDS = 5.0  # between two times that a file is sent
_PAUSE_SHARE = 50  # pauses are this many times as long as sending took


class LineFile:
    """A file that begins with `text`; an earlier one is replaced.

    On this machine each line is appended at once. Files at an address cannot grow: the whole file
    is sent again, at most every few seconds, and by `flush`.
    """

    def __init__(self, location: Location, text: str) -> None:
        self._location = location
        self._text = text
        self._is_sent = False
        self._next_time = 0.0
        self.flush()

    def append(self, line: str) -> None:
        """Add a line, which ends in a line end."""
        if isinstance(self._location, Path):
            with self._location.open("a", encoding="utf-8") as file:
                file.write(line)
            return
        self._text += line
        self._is_sent = False
        if time.monotonic() >= self._next_time:
            self.flush()

    def flush(self) -> None:
        """Send the lines that are not yet in the file."""
        if self._is_sent:
            return
        started = time.monotonic()
        write_text(self._location, self._text)
        self._is_sent = True
        ended = time.monotonic()
        self._next_time = ended + max(_PAUSE_SECONDS, _PAUSE_SHARE * (ended - started))
