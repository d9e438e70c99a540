"""WARC records (ISO 28500) from blocks of bytes, one at a time in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bertdata.errors import InputError

MAX_RECORD_BYTES = 64 << 20
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """`headers`: by name in lower case; the last of repeated ones. `offset`: its first byte.

    `content`: empty if the record was not wanted, None if it is too long to hold.
    """

    headers: Mapping[str, str]
    offset: int
    content: bytes | None

    @property
    def kind(self) -> str:
        """The WARC-Type, in lower case."""
        return self.headers.get("warc-type", "").lower()


def iter_records(
    blocks: Iterable[bytes], kinds: frozenset[str], name: str, offset: int = 0
) -> Iterator[Record]:
    """Each record of the blocks, with content only for the wanted kinds.

    `name`: of the file, for messages. Raises InputError for anything that is not a record or is cut
    short; no record after it can be found.
    """
    source = _ByteSource(blocks, offset)
    while (start := _find_record(source)) is not None:
        try:
            yield _read_record(source, start, kinds)
        except ValueError as error:
            message = f"{name}: {error} in the WARC record at byte {start:,}"
            raise InputError(message) from error


def parse_headers(lines: Iterable[bytes]) -> dict[str, str]:
    """`Name: value` lines, names in lower case; continued lines are joined, other lines skipped."""
    headers: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        text = line.decode("utf-8", "replace")
        if text[:1] in (" ", "\t") and name:
            headers[name].append(text.strip())
            continue
        name, colon, value = text.partition(":")
        name = name.strip().lower() if colon else ""
        if name:
            headers[name] = [value.strip()]
    return {name: " ".join(values) for name, values in headers.items()}


def _find_record(source: _ByteSource) -> int | None:
    """The start of the next record, after the empty lines at the end of the last one; or None."""
    while True:
        start = source.position
        line = source.peek_line()
        if not line:
            return None
        if line.strip():
            return start
        source.skip(len(line))


def _read_record(source: _ByteSource, start: int, kinds: frozenset[str]) -> Record:
    version = source.read_line()
    if not version.startswith(b"WARC/"):
        raise ValueError(f"{version[:20]!r} where WARC/1 is expected")
    lines = []
    while (line := source.read_line()).strip():
        lines.append(line)
        if source.position - start > _MAX_HEADER_BYTES:
            raise ValueError("the headers have no end")
    if not line:
        raise ValueError("the file ends")
    headers = parse_headers(lines)
    given = headers.get("content-length", "")
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise ValueError(f"Content-Length is {given[:40]!r}")
    length = int(given)
    is_wanted = headers.get("warc-type", "").lower() in kinds
    if is_wanted and length <= MAX_RECORD_BYTES:
        return Record(headers=headers, offset=start, content=source.read(length))
    source.skip(length)
    return Record(headers=headers, offset=start, content=None if is_wanted else b"")


class _ByteSource:
    """Lines and runs of bytes from blocks, and the position reached."""

    def __init__(self, blocks: Iterable[bytes], position: int) -> None:
        self._blocks = iter(blocks)
        self._buffer = b""
        self._at = 0
        self.position = position

    def peek_line(self) -> bytes:
        """The next line with its end, cut at 64 KiB; empty at the end of the blocks."""
        searched = self._at
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer) - self._at
            if searched > 1 << 16 or not self._fill():
                return self._buffer[self._at : self._at + (1 << 16)]
        return self._buffer[self._at : end + 1]

    def read_line(self) -> bytes:
        line = self.peek_line()
        self._advance(len(line))
        return line

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises ValueError if there are fewer."""
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        """Skip exactly `size` bytes. Raises ValueError if there are fewer."""
        for _ in self._take(size):
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        while size:
            if self._at == len(self._buffer) and not self._fill():
                raise ValueError("the file ends")
            piece = self._buffer[self._at : self._at + size]
            self._advance(len(piece))
            size -= len(piece)
            yield piece

    def _advance(self, count: int) -> None:
        self._at += count
        self.position += count

    def _fill(self) -> bool:
        """Add a block to the buffer and drop what was taken; False if there is no more block."""
        block = next(self._blocks, b"")
        self._buffer = self._buffer[self._at :] + block
        self._at = 0
        return bool(block)
