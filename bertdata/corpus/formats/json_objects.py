"""JSON objects that are not one per line: in one array, or spread over several lines.

Objects are found by their brackets before any JSON is parsed, so that memory stays bounded and a
damaged object affects no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bertdata.errors import InputError

# An array of objects, or an object whose first key is on another line than its bracket.
_SPREAD_OUT = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*\{|\{[ \t\r]*\n\s*")')
_BETWEEN = re.compile(rb"(?:\xef\xbb\xbf)?[\s,\[\]]*+")
_BRACKET = re.compile(rb'["{}\[\]]')
_QUOTE = re.compile(rb'[\\"]')


def is_spread_out(beginning: bytes) -> bool:
    """Whether a file with this beginning, in UTF-8, has JSON objects that are not one per line."""
    return _SPREAD_OUT.match(beginning) is not None


def iter_objects(blocks: Iterable[bytes], max_bytes: int, name: str) -> Iterator[tuple[int, bytes]]:
    """(offset, object) for each outermost JSON object of the blocks.

    A longer object than `max_bytes` is cut, but not below that. Raises InputError if something else
    is between objects, or the last one has no end. `name`: for messages.

    iter_objects([b'[{"a": 1}, ', b'{"b": "}"}]'], 99, "") -> (1, b'{"a": 1}'), (11, b'{"b": "}"}')
    """
    finder = _Finder(max_bytes, name)
    for block in blocks:
        yield from finder.feed(block)
    finder.finish()


class _Finder:
    """Takes blocks and yields objects; holds at most one object and one block."""

    def __init__(self, max_bytes: int, name: str) -> None:
        self._max_bytes = max_bytes
        self._name = name
        self._offset = 0  # of the block
        self._start = 0  # of the object
        self._pieces: list[bytes] = []
        self._held = 0
        self._depth = 0
        self._in_string = False
        self._after_backslash = False

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        place = 0
        while place < len(block):
            if self._depth == 0:
                place = self._begin(block, place)
                continue
            end = self._find_end(block, place)
            self._take(block[place:end])
            place = end
            if self._depth == 0:
                yield self._start, b"".join(self._pieces)
        self._offset += len(block)

    def finish(self) -> None:
        if self._depth:
            raise InputError(f"{self._name} ends inside the JSON object at byte {self._start:,}")

    def _begin(self, block: bytes, place: int) -> int:
        """Skip to the next object; returns where in the block it begins."""
        between = _BETWEEN.match(block, place)
        place = between.end() if between else place
        if place < len(block):
            if block[place] != ord("{"):
                where = f"at byte {self._offset + place:,}"
                raise InputError(f"{self._name}: not a JSON object {where}")
            self._start, self._pieces, self._held = self._offset + place, [], 0
            self._depth = 1
            self._take(b"{")
            place += 1
        return place

    def _find_end(self, block: bytes, place: int) -> int:
        """The end of the object, or of the block if that is first."""
        while place < len(block) and self._depth:
            place = self._pass_string(block, place) if self._in_string else self._pass(block, place)
        return place

    def _pass(self, block: bytes, place: int) -> int:
        """Just after the next bracket or quote."""
        found = _BRACKET.search(block, place)
        if found is None:
            return len(block)
        sign = found[0]
        self._in_string = sign == b'"'
        self._depth += (sign in b"{[") - (sign in b"}]")
        return found.end()

    def _pass_string(self, block: bytes, place: int) -> int:
        """Just after the next quote or escaped character of a string."""
        if self._after_backslash:
            self._after_backslash = False
            return place + 1
        found = _QUOTE.search(block, place)
        if found is None:
            return len(block)
        self._in_string = found[0] != b'"'
        self._after_backslash = self._in_string
        return found.end()

    def _take(self, piece: bytes) -> None:
        if self._held <= self._max_bytes:
            self._pieces.append(piece)
            self._held += len(piece)
