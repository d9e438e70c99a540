"""A table of byte strings for compiled code: each gets a row number, in order of first sight.

Compiled code looks keys up and adds them; what a key means Python works out once per row. A table
never grows by itself: `find_or_add` says when it is full, and its owner grows it and goes on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

ByteArray = npt.NDArray[np.uint8]

UNFOLDED = np.arange(256, dtype=np.uint8)
FULL = -1

_MOST_ROWS = 1 << 18
_MOST_BYTES = 1 << 24
_FIRST_ROWS = 1 << 12
_FIRST_BYTES = 1 << 16
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_MIX_SHIFT = np.uint64(32)


class ByteTable(NamedTuple):
    """Open addressing over keys that lie in a row.

    Key of row r: `keys[starts[r]:starts[r + 1]]`. `slots`: rows by hash, -1 where free, twice as
    many as rows fit. `size`: one number, that of the rows.
    """

    keys: ByteArray
    starts: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]

    @property
    def num_rows(self) -> int:
        return int(self.size[0])

    @property
    def num_bytes(self) -> int:
        return int(self.starts[self.num_rows])


def make_table() -> ByteTable:
    """An empty table."""
    return _allocate(_FIRST_ROWS, _FIRST_BYTES)


def holds_much(table: ByteTable) -> bool:
    """Whether it is time to begin anew, so that memory stays bounded: corpora have no end of words.

    Rows that were given out mean nothing after that, so ask between blocks of text.
    """
    return table.num_rows > _MOST_ROWS or table.num_bytes > _MOST_BYTES


def grown(table: ByteTable, num_bytes: int) -> ByteTable:
    """The same rows in a table with room for more: twice the rows, `num_bytes` more of keys."""
    num_rows = table.num_rows
    new = _allocate(2 * len(table.hashes), 2 * (len(table.keys) + num_bytes))
    new.keys[: table.num_bytes] = table.keys[: table.num_bytes]
    new.starts[: num_rows + 1] = table.starts[: num_rows + 1]
    new.hashes[:num_rows] = table.hashes[:num_rows]
    new.size[0] = num_rows
    _fill_slots(new)
    return new


def keys_from(table: ByteTable, first: int) -> pa.StringArray:
    """The keys of the rows from `first` on; all must be UTF-8, and under 2 GB together."""
    starts = table.starts[first : table.num_rows + 1]
    offsets = (starts - starts[0]).astype(np.int32)
    keys = table.keys[starts[0] : starts[-1]].copy()
    return pa.StringArray.from_buffers(len(starts) - 1, pa.py_buffer(offsets), pa.py_buffer(keys))


def buffers_of(strings: pa.StringArray) -> tuple[ByteArray, npt.NDArray[np.int32]]:
    """The bytes and the n + 1 offsets into them of n strings, none null, without a copy."""
    if not len(strings):
        return np.empty(0, np.uint8), np.zeros(1, np.int32)
    _, offsets, data = strings.buffers()
    bounds = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds


@njit(cache=True, nogil=True)
def find_or_add(table: ByteTable, data: ByteArray, start: int, stop: int, fold: ByteArray) -> int:
    """The row of the key `fold[data[start:stop]]`, added when new; FULL when there is no room."""
    value = _hash(data, start, stop, fold)
    slot, row = _probe(table, value, data, start, stop, fold)
    if row >= 0:
        return int(row)
    row = table.size[0]
    begin = table.starts[row] if row < len(table.starts) else 0
    if row == len(table.hashes) or begin + stop - start > len(table.keys):
        return FULL
    for place in range(stop - start):
        table.keys[begin + place] = fold[data[start + place]]
    table.starts[row + 1] = begin + stop - start
    table.hashes[row] = value
    table.slots[slot] = row
    table.size[0] = row + 1
    return int(row)


def _allocate(num_rows: int, num_bytes: int) -> ByteTable:
    """Room for so many rows, a power of two, and bytes of keys."""
    return ByteTable(
        keys=np.empty(num_bytes, np.uint8),
        starts=np.zeros(num_rows + 1, np.int64),
        hashes=np.empty(num_rows, np.uint64),
        slots=np.full(2 * num_rows, -1, np.int32),
        size=np.zeros(1, np.int64),
    )


@njit(cache=True, inline="always")
def _hash(data: ByteArray, start: int, stop: int, fold: ByteArray) -> Any:
    """FNV-1a, mixed once more, as slots are chosen by the low bits."""
    value = _FNV_OFFSET
    for place in range(start, stop):
        value = (value ^ np.uint64(fold[data[place]])) * _FNV_PRIME
    value = (value ^ (value >> _MIX_SHIFT)) * _MIX
    return value ^ (value >> _MIX_SHIFT)


@njit(cache=True, inline="always")
def _probe(
    table: ByteTable, value: np.uint64, data: ByteArray, start: int, stop: int, fold: ByteArray
) -> tuple[Any, Any]:
    """(slot, row) of a key; row -1 and the free slot where it belongs when it is not there."""
    last = len(table.slots) - 1
    slot = np.int64(value & np.uint64(last))
    while True:
        row = table.slots[slot]
        if row < 0 or (
            table.hashes[row] == value and _is_equal(table, row, data, start, stop, fold)
        ):
            return slot, row
        slot = (slot + 1) & last


@njit(cache=True, inline="always")
def _is_equal(
    table: ByteTable, row: int, data: ByteArray, start: int, stop: int, fold: ByteArray
) -> bool:
    begin = table.starts[row]
    if table.starts[row + 1] - begin != stop - start:
        return False
    for place in range(stop - start):
        if table.keys[begin + place] != fold[data[start + place]]:
            return False
    return True


@njit(cache=True)
def _fill_slots(table: ByteTable) -> None:
    last = len(table.slots) - 1
    for row in range(table.size[0]):
        slot = np.int64(table.hashes[row] & np.uint64(last))
        while table.slots[slot] >= 0:
            slot = (slot + 1) & last
        table.slots[slot] = row
