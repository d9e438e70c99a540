"""A table of byte strings: each distinct one has a row number, in order of first occurrence.

A corpus has billions of words but few distinct ones. Compiled code looks keys up and adds new ones;
what a key means is computed once per row. Cache misses dominate the cost of a lookup: a slot holds
a short key whole, so one miss is enough, and the misses of neighbouring keys overlap.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from bertdata.arrays import ByteArray, Int32Array, Int64Array, UInt64Array
from bertdata.kernels.compilation import inlined, kernel

_ROW_BYTES = 64  # average bytes per key; with longer keys a table is full earlier
_FIRST_ROWS = 1 << 12
_FIRST_BYTES = 1 << 16

SHORT = 16  # maximum bytes of a key that a slot holds whole
_AHEAD = 32  # keys whose slots are prefetched together
_BYTE, _HALF, _TOP_BYTE = np.uint64(8), np.uint64(32), np.uint64(56)
_LENGTH_SHIFT = _HALF
_ROW_BITS = np.uint64(0xFFFFFFFF)
_FACTOR_1 = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_2 = np.uint64(0xBF58476D1CE4E5B9)


class ByteTable:
    """A hash table with open addressing; the keys themselves lie one after the other.

    Key of row r: `keys[starts[r]:starts[r + 1]]`. `slots`: twice as many as rows fit, three numbers
    each: the two halves of a short key (two hashes of a long one), then its length in the upper and
    its row + 1 in the lower 32 bits; 0 in a free slot. `capacity`: with more rows it `is_full`.
    """

    def __init__(self, capacity: int) -> None:
        self.num_rows = 0
        self._capacity = capacity
        # Allocated at once, so that memory does not grow with the amount of text.
        self._allocate(max(_FIRST_ROWS, 1 << capacity.bit_length()), _FIRST_BYTES)

    def find_rows(
        self,
        data: ByteArray,
        starts: Int32Array,
        stops: Int32Array,
        packed: UInt64Array | None = None,
    ) -> Int32Array:
        """The row of each key `data[start:stop]`; new keys are added.

        `packed`: the result of `pack_key` for each key, uint64[n, 2], if already known.
        """
        packed = _pack_keys(data, starts, stops) if packed is None else packed
        rows = np.empty(len(starts), np.int32)
        near = np.empty(_AHEAD, np.int64)
        _look_up(*self.arrays, data, starts, stops, packed, near, rows)
        new = np.flatnonzero(rows < 0)
        done = 0
        while done < len(new):
            done, self.num_rows = _add(
                *self.arrays, self.num_rows, data, starts, stops, packed, new, rows, done
            )
            if done < len(new):
                self._grow(int(stops[new[done]] - starts[new[done]]))
        return rows

    def keys_from(self, first: int) -> pa.StringArray:
        """The keys of the rows from `first` on; they must be UTF-8, and below 2 GB in total."""
        starts = self._starts[first : self.num_rows + 1]
        offsets = (starts - starts[0]).astype(np.int32)
        keys = self._keys[starts[0] : starts[-1]].copy()
        return pa.StringArray.from_buffers(
            len(starts) - 1, pa.py_buffer(offsets), pa.py_buffer(keys)
        )

    @property
    def arrays(self) -> tuple[ByteArray, Int64Array, UInt64Array]:
        """`keys`, `starts` and `slots`, for compiled code."""
        return self._keys, self._starts, self._slots

    @property
    def is_full(self) -> bool:
        """Whether to start again with an empty table, so that memory is bounded."""
        num_bytes = self._starts[self.num_rows]
        return self.num_rows > self._capacity or num_bytes > self._capacity * _ROW_BYTES

    def _grow(self, num_bytes: int) -> None:
        """Make room for twice as many rows, or for twice as many bytes and `num_bytes` more."""
        keys, starts, slots = self._keys, self._starts, self._slots
        if self.num_rows + 1 == len(starts):
            self._allocate(len(slots), len(keys))
        else:
            self._allocate(len(slots) // 2, 2 * (len(keys) + num_bytes))
        self._keys[: len(keys)] = keys
        self._starts[: len(starts)] = starts
        _move_slots(slots, self._slots)

    def _allocate(self, num_rows: int, num_bytes: int) -> None:
        """Allocate room for `num_rows` rows, a power of two, and `num_bytes` bytes of keys."""
        self._keys = np.empty(num_bytes, np.uint8)
        self._starts = np.zeros(num_rows + 1, np.int64)
        self._slots = np.zeros((2 * num_rows, 3), np.uint64)


def buffers_of(strings: pa.StringArray) -> tuple[ByteArray, Int32Array]:
    """The bytes of n strings, and the n + 1 offsets into them, without a copy. No nulls."""
    if not len(strings):
        return np.empty(0, np.uint8), np.zeros(1, np.int32)
    _, offsets, data = strings.buffers()
    bounds = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds


@inlined
def find_row(
    keys: ByteArray,
    key_starts: Int64Array,
    slots: UInt64Array,
    data: ByteArray,
    start: int,
    stop: int,
) -> np.int64:
    """The row of the key `data[start:stop]`, or -1 if it has none; for compiled code."""
    first, second = pack_key(data, start, stop)
    slot = _first_slot(first, second, len(slots))
    slot = _find_slot(keys, key_starts, slots, data, start, stop, first, second, slot)
    return np.int64(slots[slot, 2] & _ROW_BITS) - 1


@kernel
def _look_up(
    keys: ByteArray,
    key_starts: Int64Array,
    slots: UInt64Array,
    data: ByteArray,
    starts: Int32Array,
    stops: Int32Array,
    packed: UInt64Array,
    near: Int64Array,
    rows: Int32Array,
) -> np.uint64:
    """Find the row of each key, or -1 if it has none. `near`: scratch of `_AHEAD` slots.

    The returned number has no meaning. It depends on every slot that is touched to prefetch it, so
    that the compiler cannot remove the prefetch.
    """
    touched = np.uint64(0)
    for block in range(0, len(starts), _AHEAD):
        stop_block = min(block + _AHEAD, len(starts))
        # First touch the slots of a whole block: the processor overlaps these cache misses.
        for number in range(block, stop_block):
            slot = _first_slot(packed[number, 0], packed[number, 1], len(slots))
            near[number - block] = slot
            touched ^= slots[slot, 2]
        for number in range(block, stop_block):
            slot = _find_slot(
                keys, key_starts, slots, data, starts[number], stops[number],
                packed[number, 0], packed[number, 1], near[number - block],
            )  # fmt: skip
            rows[number] = np.int64(slots[slot, 2] & _ROW_BITS) - 1
    return touched


@njit(cache=True, nogil=True)
def _add(
    keys: ByteArray,
    key_starts: Int64Array,
    slots: UInt64Array,
    num_rows: int,
    data: ByteArray,
    starts: Int32Array,
    stops: Int32Array,
    packed: UInt64Array,
    new: Int64Array,
    rows: Int32Array,
    done: int,
) -> tuple[int, int]:
    """Find or add the keys `new[done:]`; returns how many are done, and the number of rows.

    Stops early when there is no room for a key. `new` may name a key twice: the second finds the
    row that the first added.
    """
    for index in range(done, len(new)):
        number = new[index]
        start, stop = starts[number], stops[number]
        first, second = packed[number, 0], packed[number, 1]
        slot = _first_slot(first, second, len(slots))
        slot = _find_slot(keys, key_starts, slots, data, start, stop, first, second, slot)
        if slots[slot, 2] == 0:
            begin = key_starts[num_rows]
            end = begin + stop - start
            # Checked before anything is written: after growing, the same key is tried again.
            if num_rows + 1 == len(key_starts) or end > len(keys):
                return index, num_rows
            keys[begin:end] = data[start:stop]
            num_rows += 1
            key_starts[num_rows] = end
            slots[slot, 0], slots[slot, 1] = first, second
            slots[slot, 2] = np.uint64(stop - start) << _LENGTH_SHIFT | np.uint64(num_rows)
        rows[number] = np.int64(slots[slot, 2] & _ROW_BITS) - 1
    return len(new), num_rows


@njit(cache=True, nogil=True)
def _pack_keys(data: ByteArray, starts: Int32Array, stops: Int32Array) -> UInt64Array:
    packed = np.empty((len(starts), 2), np.uint64)
    for number in range(len(starts)):
        packed[number, 0], packed[number, 1] = pack_key(data, starts[number], stops[number])
    return packed


@inlined
def pack_key(data: ByteArray, start: int, stop: int) -> tuple[np.uint64, np.uint64]:
    """A short key as two numbers; for a long key, two hashes of it."""
    first, second = np.uint64(0), np.uint64(0)
    if stop - start <= SHORT:
        for place in range(start, stop):
            first, second = pack_byte(first, second, data[place])
    else:
        for place in range(start, stop):
            first = (first ^ np.uint64(data[place])) * _FACTOR_1
            second = (second + np.uint64(data[place])) * _FACTOR_2
    return first, second


@inlined
def pack_byte(first: np.uint64, second: np.uint64, byte: int) -> tuple[np.uint64, np.uint64]:
    """The packed form of a short key with one more byte."""
    return first << _BYTE | np.uint64(byte), second << _BYTE | first >> _TOP_BYTE


@inlined
def _find_slot(
    keys: ByteArray,
    key_starts: Int64Array,
    slots: UInt64Array,
    data: ByteArray,
    start: int,
    stop: int,
    first: np.uint64,
    second: np.uint64,
    slot: np.int64,
) -> np.int64:
    """The slot of a key, searched from `slot` on, or the free slot where it belongs.

    Ends because at least half of the slots are free.
    """
    while slots[slot, 2]:
        if slots[slot, 0] == first and slots[slot, 1] == second:
            length = np.int64(slots[slot, 2] >> _LENGTH_SHIFT)
            # A short key is in the slot whole, so equal halves and length mean an equal key.
            if length == stop - start and length <= SHORT:
                break
            begin = int(key_starts[np.int64(slots[slot, 2] & _ROW_BITS) - 1])
            if length == stop - start and _is_equal(keys, begin, data, start, int(length)):
                break
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@inlined
def _first_slot(first: np.uint64, second: np.uint64, num_slots: int) -> np.int64:
    value = (first ^ (second * _FACTOR_2)) * _FACTOR_1
    value ^= value >> _HALF
    return np.int64(value & np.uint64(num_slots - 1))  # num_slots is a power of two


@inlined
def _is_equal(keys: ByteArray, begin: int, data: ByteArray, start: int, length: int) -> bool:
    for place in range(length):  # noqa: SIM110 (compiled code knows no generators)
        if keys[begin + place] != data[start + place]:
            return False
    return True


@njit(cache=True)
def _move_slots(old: UInt64Array, new: UInt64Array) -> None:
    for number in range(len(old)):
        if old[number, 2]:
            slot = _first_slot(old[number, 0], old[number, 1], len(new))
            while new[slot, 2]:
                slot = (slot + 1) & (len(new) - 1)
            new[slot] = old[number]
