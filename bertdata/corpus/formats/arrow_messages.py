"""Arrow files and streams on other storage, without fetching record batches that nobody reads.

Both are messages one after the other: each begins with its lengths, and a record batch has nearly
all its bytes behind them, in its body. So a reader can step from message to message.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from bertdata.corpus.compression import read_range
from bertdata.storage.files import open_file
from bertdata.storage.locations import Address

ARROW_FILE_MAGIC = b"ARROW1"
_FILE_START = 8  # of the messages in a file; a stream has nothing before them
_FETCH_BYTES = 1 << 16
_MAX_HEAD_BYTES = 64 << 20
_RECORD_BATCH = 3
# Numbers of the fields of a message.
_KIND, _BODY_BYTES = 1, 3


@dataclass(frozen=True, slots=True)
class _Message:
    """`head`: all bytes from `start` to its body."""

    start: int
    head: bytes
    stop: int
    is_batch: bool

    @property
    def body(self) -> int:
        return self.start + len(self.head)


def open_stream_at(address: Address, batch: int) -> pa.RecordBatchStreamReader:
    """The stream at an address without the record batches before number `batch`."""
    return pa.ipc.open_stream(_JoinedBlocks(_blocks_from(address, batch)))


def open_hollow_stream(address: Address) -> pa.RecordBatchStreamReader:
    """A file or stream with zeros for the content of its record batches, for their sizes alone.

    Compressed batches cannot be read from it: they raise what damaged ones do.
    """
    return pa.ipc.open_stream(_JoinedBlocks(_hollow_blocks(address)))


def _blocks_from(address: Address, batch: int) -> Iterator[bytes]:
    position = batches = 0
    for message in _iterate_messages(address):
        position = message.start
        if message.is_batch and batches == batch:
            break
        batches += message.is_batch
        position = message.stop
        if not message.is_batch:  # schema and dictionaries are needed for all that follows
            yield from _blocks_of(address, message)
    yield from read_range(address, position, None)


def _hollow_blocks(address: Address) -> Iterator[bytes]:
    position = 0
    for message in _iterate_messages(address):
        if message.is_batch:
            yield message.head
            yield bytes(message.stop - message.body)
        else:
            yield from _blocks_of(address, message)
        position = message.stop
    # The end, or what only pyarrow can judge.
    yield from read_range(address, position, None)


def _blocks_of(address: Address, message: _Message) -> Iterator[bytes]:
    yield message.head
    if message.body < message.stop:
        yield from read_range(address, message.body, message.stop)


def _iterate_messages(address: Address) -> Iterator[_Message]:
    """The messages up to the end, or to the first that is damaged or cut short."""
    with open_file(address) as raw, _buffered(raw) as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(0)
        is_file = file.read(len(ARROW_FILE_MAGIC)) == ARROW_FILE_MAGIC
        position = _FILE_START if is_file else 0
        while message := _read_message(file, position, end):
            yield message
            position = message.stop


def _buffered(file: BinaryIO) -> BinaryIO:
    return io.BufferedReader(cast(io.RawIOBase, file), _FETCH_BYTES)


def _read_message(file: BinaryIO, start: int, end: int) -> _Message | None:
    file.seek(start)
    prefix = file.read(8)
    if len(prefix) < 8:
        return None
    mark, length = struct.unpack("<ii", prefix)
    if mark != -1:  # written before Arrow 0.15: the length comes first
        prefix, length = prefix[:4], mark
    if not 0 < length < _MAX_HEAD_BYTES:
        return None
    file.seek(start + len(prefix))
    metadata = file.read(length)
    try:
        kind, body_bytes = (
            _read_field(metadata, _KIND, "<B"),
            _read_field(metadata, _BODY_BYTES, "<q"),
        )
    except struct.error:
        return None
    head = prefix + metadata
    stop = start + len(head) + body_bytes
    is_whole = len(metadata) == length and body_bytes >= 0 and stop <= end
    return _Message(start, head, stop, kind == _RECORD_BATCH) if is_whole else None


def _read_field(data: bytes, number: int, kind: str) -> int:
    """A number of the outermost table of a flatbuffer, which leaves out those that are 0."""
    (table,) = struct.unpack_from("<I", data)
    layout = table - struct.unpack_from("<i", data, table)[0]
    (layout_bytes,) = struct.unpack_from("<H", data, layout)
    entry = 4 + 2 * number
    offset = struct.unpack_from("<H", data, layout + entry)[0] if entry < layout_bytes else 0
    return int(struct.unpack_from(kind, data, table + offset)[0]) if offset else 0


class _JoinedBlocks(io.RawIOBase):
    """Blocks as a file for pyarrow, which takes less than it asked for as the end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        pieces: list[memoryview] = []
        missing = -1 if size is None else size
        while missing and (block := self._left or memoryview(next(self._blocks, b""))):
            cut = len(block) if missing < 0 else missing
            pieces.append(block[:cut])
            self._left = block[cut:]
            missing -= len(pieces[-1]) if missing > 0 else 0
        return b"".join(pieces)
