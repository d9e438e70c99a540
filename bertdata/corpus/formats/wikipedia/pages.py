"""The pages of a MediaWiki XML dump, found by their tags, from blocks of any size.

Wikitext is escaped in a dump, so `<page>` and `</page>` are always tags. Finding pages before any
XML is parsed lets a reader begin anywhere, and limits damage to one page.
"""

from __future__ import annotations

import bz2
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bertdata.corpus.compression import read_range
from bertdata.storage.locations import Location

_OPEN, _CLOSE = b"<page>", b"</page>"
_MAX_PAGE_BYTES = 64 << 20  # MediaWiki allows articles of up to 2 MB
_END = b"</mediawiki>"
_NO_STRAY = re.compile(rb"\s*+(?:</mediawiki>\s*+)*+")
_HEAD_BYTES = 4 << 20
_SITEINFO_END = b"</siteinfo>"

# "BZh", the level, and the magic number of a block: the 80 bits at the start of a stream.
_STREAM_MAGICS = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_STREAM_MAGIC_BYTES = 10
_MAX_STREAMS_TRIED = 64


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page: where it begins, its bytes, and what is wrong with it, or ""."""

    offset: int
    data: bytes
    problem: str = ""


def read_head(blocks: Iterable[bytes]) -> bytes:
    """The beginning of a dump up to the end of its <siteinfo>.

    For a dump without <siteinfo>, all before its first page.
    """
    head = b""
    for block in blocks:
        head += block
        if _SITEINFO_END in head or _OPEN in head or len(head) > _HEAD_BYTES:
            break
    before, end, _ = head.partition(_OPEN)[0].partition(_SITEINFO_END)
    return before + end


def iter_pages(blocks: Iterable[bytes], offset: int, has_head: bool) -> Iterator[RawPage]:
    """Each page of the blocks, whose first byte is byte `offset`; damage is a page with a problem.

    `has_head`: the blocks begin with the dump's head. Anything else between pages, except white
    space, counts as a damaged page.
    """
    scanner = _Scanner(offset, in_head=has_head)
    for block in blocks:
        yield from scanner.feed(block)
    yield from scanner.finish()


def find_page(path: Location, position: int) -> int | None:
    """The start of the first page at byte `position` or later, or None."""
    overlap = len(_OPEN) - 1
    waiting, start = b"", position
    for block in read_range(path, position, None):
        waiting += block
        if (index := waiting.find(_OPEN)) >= 0:
            return start + index
        start += len(waiting) - len(waiting[-overlap:])
        waiting = waiting[-overlap:]
    return None


def find_stream(path: Location, position: int) -> int | None:
    """The start of the first bz2 stream at byte `position` or later with a page at its start.

    Multistream dumps have such a stream every hundred pages. In files that were just compressed in
    pieces, streams begin anywhere; the search ends after 64 of them.
    """
    for start in itertools.islice(_find_streams(path, position), _MAX_STREAMS_TRIED):
        if _begins_with_page(path, start):
            return start
    return None


def _find_streams(path: Location, position: int) -> Iterator[int]:
    overlap = _STREAM_MAGIC_BYTES - 1
    waiting, start = b"", position
    for block in read_range(path, position, None):
        waiting += block
        index = waiting.find(b"BZh")
        while index >= 0:
            if waiting[index : index + _STREAM_MAGIC_BYTES] in _STREAM_MAGICS:
                yield start + index
            index = waiting.find(b"BZh", index + 1)
        start += len(waiting) - len(waiting[-overlap:])
        waiting = waiting[-overlap:]


def _begins_with_page(path: Location, start: int) -> bool:
    decompressor = bz2.BZ2Decompressor()
    beginning = b""
    for block in read_range(path, start, None):
        try:
            beginning += decompressor.decompress(block, 4096)
        except OSError:
            return False
        if len(beginning) > len(_OPEN) or decompressor.eof:
            break
    return beginning.lstrip().startswith(_OPEN)


class _Scanner:
    """Takes blocks and yields pages; holds at most one page and one block."""

    def __init__(self, offset: int, in_head: bool) -> None:
        self._buffer = bytearray()  # grows in place: a page may come in many blocks
        self._offset = offset  # of the buffer's first byte
        self._start = 0  # in the buffer: of the current page, or of the text after the last one
        self._in_page = False
        self._in_head = in_head
        self._stray = -1  # start of something between pages, or -1
        self._too_long = -1  # start of a page that is too long to hold, or -1

    def feed(self, block: bytes) -> Iterator[RawPage]:
        searched = self._take(block)
        while (index := self._buffer.find(_CLOSE if self._in_page else _OPEN, searched)) >= 0:
            if self._in_page:
                searched = index + len(_CLOSE)
                yield from self._end_page(searched)
            else:
                searched = index + len(_OPEN)
                yield from self._begin_page(index)
        if self._in_page:
            self._drop_if_too_long()
        else:
            # All except the beginning of a tag.
            tag = self._buffer.rfind(b"<", max(self._start, len(self._buffer) - len(_END)))
            self._pass_over(tag if tag >= 0 else len(self._buffer))

    def finish(self) -> Iterator[RawPage]:
        if not self._in_page:
            self._pass_over(len(self._buffer))
        yield from self._strays()
        if self._in_page:
            *broken, last = self._cut(bytes(self._buffer[self._start :]))
            yield from broken
            start = self._too_long if self._too_long >= 0 else last.offset
            yield RawPage(start, b"", "the dump ends inside this page")

    def _take(self, block: bytes) -> int:
        """Add a block and drop what is finished; returns where in the buffer to continue."""
        del self._buffer[: self._start]
        self._offset += self._start
        self._start = 0
        searched = max(0, len(self._buffer) - len(_CLOSE) + 1)
        self._buffer += block
        return searched

    def _begin_page(self, index: int) -> Iterator[RawPage]:
        self._pass_over(index)
        self._in_head = False
        yield from self._strays()
        self._in_page = True

    def _end_page(self, end: int) -> Iterator[RawPage]:
        if self._too_long >= 0:
            problem = f"the page is longer than {_MAX_PAGE_BYTES:,} bytes"
            yield RawPage(self._too_long, b"", problem)
            self._too_long = -1
        else:
            yield from self._cut(bytes(self._buffer[self._start : end]))
        self._start, self._in_page = end, False

    def _cut(self, data: bytes) -> Iterator[RawPage]:
        """The pages in `data`, which begins with one; only the last has an end."""
        start = self._offset + self._start
        last, broken = data.rfind(_OPEN), 0
        while broken < last:
            yield RawPage(start + broken, b"", "the end of the page is missing")
            broken = data.find(_OPEN, broken + len(_OPEN))
        yield RawPage(start + last, data[last:])

    def _drop_if_too_long(self) -> None:
        if len(self._buffer) - self._start > _MAX_PAGE_BYTES:
            if self._too_long < 0:
                self._too_long = self._offset + self._start
            self._start = len(self._buffer) - len(_CLOSE) + 1

    def _pass_over(self, end: int) -> None:
        """Skip the bytes between pages, and note if they are not white space."""
        if not self._in_head and self._stray < 0:
            stray = _NO_STRAY.match(self._buffer, self._start, end)
            if stray is not None and stray.end() < end:
                self._stray = self._offset + stray.end()
        self._start = end

    def _strays(self) -> Iterator[RawPage]:
        if self._stray >= 0:
            yield RawPage(self._stray, b"", "this is not a page")
            self._stray = -1
