"""Counts of pairs of pieces, in arrays for compiled code.

A pair is an integer: id of the left piece times 2**32, plus id of the right.
"""

from __future__ import annotations

import numpy as np

from bertdata.arrays import Int64Array
from bertdata.kernels.compilation import inlined, kernel

PAIR_SHIFT = 32

_FREE = -1  # no pair: ids are not negative
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HASH_SHIFT = np.uint64(32)


class PairCounts:
    """A hash table with open addressing: a pair and its count per slot, at least half of them free.

    `num_slots`: at the start, a power of two.
    """

    def __init__(self, num_slots: int = 1 << 12) -> None:
        self._num_pairs = 0
        self._allocate(num_slots)

    def __getitem__(self, pair: int) -> int:
        """The count of a pair; 0 for an unknown one."""
        return int(self._counts[_place(self._pairs, pair)])

    def insert(self, pairs: Int64Array, counts: Int64Array) -> None:
        """Add pairs, which must be distinct and new."""
        self._num_pairs += len(pairs)
        if 2 * self._num_pairs > len(self._pairs):
            old = self._pairs, self._counts
            self._allocate(1 << (4 * self._num_pairs - 1).bit_length())
            present = np.flatnonzero(old[0] != _FREE)
            _insert(self._pairs, self._counts, old[0][present], old[1][present])
        _insert(self._pairs, self._counts, pairs, counts)

    def at_least(self, count: int) -> tuple[Int64Array, Int64Array]:
        """All pairs with at least this count, which is 1 or more, and their counts."""
        found = np.flatnonzero(self._counts >= count)
        return self._pairs[found], self._counts[found]

    def remove(self, pair: int) -> None:
        """Set the count of a pair to 0."""
        self._counts[_place(self._pairs, pair)] = 0

    def subtract(self, pairs: Int64Array, amounts: Int64Array) -> None:
        """Lower the counts of pairs; unknown pairs are ignored."""
        _subtract(self._pairs, self._counts, pairs, amounts)

    def _allocate(self, num_slots: int) -> None:
        """Allocate `num_slots` free slots, a power of two."""
        self._pairs = np.full(num_slots, _FREE, dtype=np.int64)
        self._counts = np.zeros(num_slots, dtype=np.int64)


def split_pair(pair: int) -> tuple[int, int]:
    """The ids of its left and its right piece."""
    return pair >> PAIR_SHIFT, pair & ((1 << PAIR_SHIFT) - 1)


@kernel
def _place(slots: Int64Array, pair: int) -> np.int64:
    return _find_slot(slots, pair)


@kernel
def _insert(slots: Int64Array, counts: Int64Array, pairs: Int64Array, values: Int64Array) -> None:
    for number in range(len(pairs)):
        slot = _find_slot(slots, pairs[number])
        slots[slot] = pairs[number]
        counts[slot] = values[number]


@kernel
def _subtract(
    slots: Int64Array, counts: Int64Array, pairs: Int64Array, amounts: Int64Array
) -> None:
    for number in range(len(pairs)):
        slot = _find_slot(slots, pairs[number])
        if slots[slot] == pairs[number]:
            counts[slot] -= amounts[number]


@inlined
def _find_slot(slots: Int64Array, pair: int) -> np.int64:
    """The slot of a pair, or the free slot where it belongs.

    Ends because half of the slots are free; a removed pair keeps its slot, with count 0.
    """
    value = np.uint64(pair) * _FACTOR
    value ^= value >> _HASH_SHIFT
    slot = np.int64(value & np.uint64(len(slots) - 1))
    while slots[slot] != pair and slots[slot] != _FREE:
        slot = (slot + 1) & (len(slots) - 1)
    return slot
