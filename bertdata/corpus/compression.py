"""Files as blocks of bytes, decompressed, in bounded memory.

The suffix names the compression: `.gz`, `.bz2`, `.xz`, `.zst`; other files are read unchanged.
Several members, streams or frames one after the other are one file, and zero bytes after the last
are padding. Other bytes there are damage, not an end: they may be text that should be read.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import BinaryIO, Protocol

import zstandard

from bertdata.errors import InputError
from bertdata.storage.files import open_file
from bertdata.storage.filesystems import storage_errors
from bertdata.storage.locations import Address, Location

BLOCK_BYTES = 1 << 20
SEARCH_BYTES = 1 << 16  # block size for short reads, such as to the end of a line
# A file that unpacks to more than this many times its size is a decompression bomb.
MAX_RATIO = 1000
FREE_BYTES = 64 << 20  # allowed with any ratio: small files may consist of one letter
_COMPRESSED_BLOCK_BYTES = 1 << 14
_MIN_BLOCK_BYTES = 1 << 12  # of output, which tiny members are joined to
# How much of a file on other storage is fetched at once: a search ends soon, a reader goes on.
_MIN_FETCH_BYTES, _MAX_FETCH_BYTES = 1 << 18, 1 << 23
# One zstd call returns all that its input unpacks to, up to 128 KiB for 4 bytes.
_ZSTD_INPUT_BYTES = 1 << 10


def is_compressed(path: Location) -> bool:
    """Whether the suffix names a compression that is read."""
    return path.suffix.lower() in _MEMBER_TYPES


def read_blocks(
    path: Location, start: int = 0, stop: int | None = None, max_ratio: int = MAX_RATIO
) -> Generator[bytes]:
    """The file's bytes, decompressed, as non-empty blocks of bounded size.

    `start`, `stop` (None: the end): the bytes of the file to read; in a compressed file they must
    be between its streams or members. Raises InputError, after the last good block, when the file
    cannot be opened or read, is cut short or damaged; the message has the compressed and the
    uncompressed position. It is also raised for more than 64 MiB of output that is more than
    `max_ratio` times the input.
    """
    if is_compressed(path):
        blocks = read_range(path, start, stop, _COMPRESSED_BLOCK_BYTES)
        source = _CompressedInput(blocks, start)
        yield from _decompress(str(path), source, path.suffix.lower(), max_ratio)
    else:
        yield from read_range(path, start, stop)


def find_compression(beginning: bytes) -> str:
    """The suffix of the compression that the first bytes of a file show, or ""."""
    found = (suffix for suffix, magic in _MAGICS.items() if magic.match(beginning))
    return next(found, "")


def decompress(
    blocks: Iterable[bytes], suffix: str, name: str, max_ratio: int = MAX_RATIO
) -> Iterator[bytes]:
    """The bytes in compressed blocks, under the conditions of `read_blocks`.

    `suffix`: as `find_compression` returns it. `name`: the source of the blocks, for messages.
    """
    return _decompress(name, _CompressedInput(iter(blocks), 0), suffix, max_ratio)


def read_range(
    path: Location, start: int, stop: int | None, block_bytes: int | None = None
) -> Generator[bytes]:
    """The bytes from `start` up to `stop` (None: the end) of a file, not decompressed, as blocks.

    `block_bytes`: maximum size of a block; None is a megabyte. Raises InputError when the file
    cannot be read or ends before `stop`.
    """
    position, max_bytes = start, block_bytes or BLOCK_BYTES
    read = _fetch if isinstance(path, Address) else _read
    try:
        with storage_errors(), open_file(path) as file:
            file.seek(start)
            for block in read(file, start, stop, max_bytes):
                position += len(block)
                yield block
    except OSError as error:
        raise unreadable(path, error, position) from error
    if stop is not None and position < stop:
        raise InputError(f"{path} ends at byte {position:,}, was {stop:,} bytes long when planned")


def unreadable(path: Location, error: OSError, position: int = 0) -> InputError:
    """The error for a file that cannot be read, with the position reached."""
    at = f" at byte {position:,}" if position else ""
    return InputError(f"cannot read {path}{at}: {error.strerror or error}")


class _Member(Protocol):
    """A decompressor of one member; BZ2Decompressor and LZMADecompressor have this form."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """zlib's decompressor in the common form."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(output) < max_length
        return output


class _ZstdMember:
    """zstandard's decompressor in the common form; its input is split to bound its output."""

    def __init__(self) -> None:
        self._pending = b""
        # Published dumps use windows of up to 2 GiB (`zstd --long=31`).
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self._inner = decompressor.decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + self._pending

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        data = self._pending + data
        self._pending = data[_ZSTD_INPUT_BYTES:]
        return bytes(self._inner.decompress(data[:_ZSTD_INPUT_BYTES]))


_MEMBER_TYPES: dict[str, Callable[[], _Member]] = {
    ".gz": _GzipMember,
    ".bz2": bz2.BZ2Decompressor,
    # Not the older .lzma, for which a run of zero bytes is an empty file.
    ".xz": partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ),
    ".zst": _ZstdMember,
}


_MAGICS = {
    ".gz": re.compile(rb"\x1f\x8b\x08"),
    ".bz2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    ".xz": re.compile(rb"\xfd7zXZ\x00"),
    ".zst": re.compile(rb"\x28\xb5\x2f\xfd"),
}


def _decompress(
    name: str, source: _CompressedInput, suffix: str, max_ratio: int
) -> Iterator[bytes]:
    uncompressed, start = 0, source.position
    try:
        for block in _join_small(_decompress_members(source, _MEMBER_TYPES[suffix])):
            uncompressed += len(block)
            if uncompressed > max(FREE_BYTES, max_ratio * (source.position - start)):
                raise EOFError(f"over {max_ratio:,} times what went in: a bomb")
            yield block
    except _DECOMPRESSION_ERRORS as error:
        reason = str(error).splitlines()[0]
        message = (
            f"{name} is damaged or cut short near compressed byte {source.position:,}, "
            f"after {uncompressed:,} uncompressed bytes ({reason})"
        )
        raise InputError(message) from error


def _decompress_members(
    source: _CompressedInput, member_type: Callable[[], _Member]
) -> Iterator[bytes]:
    more = True  # an empty file is cut short: it lacks even the first member
    while more:
        yield from _decompress_member(source, member_type())
        more = source.skip_padding()


def _decompress_member(source: _CompressedInput, member: _Member) -> Iterator[bytes]:
    while not member.eof:
        data = source.take() if member.needs_input else b""
        if member.needs_input and not data:
            raise EOFError("the end is missing")
        if block := member.decompress(data, BLOCK_BYTES):
            yield block
    source.give_back(member.unused_data)


def _join_small(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in few blocks; those before damage are passed on before it is raised."""
    pieces, size = list[bytes](), 0
    try:
        for block in blocks:
            pieces.append(block)
            size += len(block)
            if size >= _MIN_BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
    except _DECOMPRESSION_ERRORS:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)


class _CompressedInput:
    """Compressed blocks, where unused bytes of a member can be returned, and the position."""

    def __init__(self, blocks: Iterator[bytes], position: int) -> None:
        self._blocks = blocks
        self._pending = b""
        self.position = position

    def take(self) -> bytes:
        block, self._pending = self._pending or next(self._blocks, b""), b""
        self.position += len(block)
        return block

    def give_back(self, data: bytes) -> None:
        self._pending = data
        self.position -= len(data)

    def skip_padding(self) -> bool:
        """Skip zero bytes; returns whether anything else follows."""
        while block := self.take():
            if rest := block.lstrip(b"\0"):
                self.give_back(rest)
                return True
        return False


_DECOMPRESSION_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def _read(file: BinaryIO, position: int, stop: int | None, max_bytes: int) -> Iterator[bytes]:
    while block := file.read(_next_size(position, stop, max_bytes)):
        position += len(block)
        yield block


def _fetch(file: BinaryIO, position: int, stop: int | None, max_bytes: int) -> Iterator[bytes]:
    """The same in few requests: each fetches what is left of a range, or twice as much as before.

    So both stay small: what a search fetches in vain, and the number of a reader's requests.
    """
    fetch_bytes = _MIN_FETCH_BYTES if stop is None else _MAX_FETCH_BYTES
    while fetched := file.read(_next_size(position, stop, max(fetch_bytes, max_bytes))):
        position += len(fetched)
        fetch_bytes = min(2 * fetch_bytes, _MAX_FETCH_BYTES)
        for start in range(0, len(fetched), max_bytes):
            yield fetched[start : start + max_bytes]


def _next_size(position: int, stop: int | None, max_bytes: int) -> int:
    return max_bytes if stop is None else min(max_bytes, stop - position)
