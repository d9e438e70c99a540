"""The endless order of training: the row at each place, a pure function of (seed, epoch).

Rows are stored in blocks, the record batches of the shards, which are read whole. An epoch takes
the blocks in a random order, a window of them at a time, and the rows of each window in a random
order. So each epoch is a permutation of all rows, any place of it can be computed by itself, and a
reader needs few blocks in memory, whatever the size of the split. If all blocks fit into one
window, all orders of the rows are equally likely; otherwise rows mix within windows of some 8,000
rows of 128 pieces, from blocks all over the split (as with a shuffle buffer of that size).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bertdata.arrays import Int64Array, offsets_of
from bertdata.randomness import derive_key, permutation

WINDOW_BLOCKS = 8


class _Epoch(NamedTuple):
    """The blocks in their order, and the place of the epoch at which each window begins."""

    blocks: Int64Array
    window_starts: Int64Array


class RowOrder:
    """The order of the rows of all blocks; `block_rows`: the number of rows of each block."""

    def __init__(self, block_rows: Sequence[int]) -> None:
        self._bounds = offsets_of(np.asarray(block_rows, dtype=np.int64))
        self.num_rows = int(self._bounds[-1])
        self._epoch = functools.lru_cache(maxsize=4)(self._order_blocks)
        self._window = functools.lru_cache(maxsize=4)(self._order_window)

    def rows_at(self, places: Int64Array, seed: int) -> tuple[Int64Array, Int64Array]:
        """The rows at these places of the order, and their epochs. There must be a row."""
        epochs, indexes = np.divmod(places, self.num_rows)
        rows = np.empty(len(places), dtype=np.int64)
        for epoch, chosen in _groups(epochs):
            rows[chosen] = self._rows_of_epoch(indexes[chosen], seed, epoch)
        return rows, epochs

    def _rows_of_epoch(self, indexes: Int64Array, seed: int, epoch: int) -> Int64Array:
        starts = self._epoch(seed, epoch).window_starts
        rows = np.empty(len(indexes), dtype=np.int64)
        for window, chosen in _groups(np.searchsorted(starts, indexes, side="right") - 1):
            order = self._window(seed, epoch, window)
            rows[chosen] = order[indexes[chosen] - starts[window]]
        return rows

    def _order_blocks(self, seed: int, epoch: int) -> _Epoch:
        block_rows = np.diff(self._bounds)
        blocks = permutation(len(block_rows), derive_key(seed, "order of blocks", epoch))
        return _Epoch(blocks, offsets_of(block_rows[blocks])[:-1:WINDOW_BLOCKS])

    def _order_window(self, seed: int, epoch: int, window: int) -> Int64Array:
        first = window * WINDOW_BLOCKS
        blocks = self._epoch(seed, epoch).blocks[first : first + WINDOW_BLOCKS].tolist()
        rows = np.concatenate([np.arange(*self._bounds[block : block + 2]) for block in blocks])
        key = derive_key(seed, "order within windows", epoch, window)
        return rows[permutation(len(rows), key)]


def _groups(keys: Int64Array) -> Iterator[tuple[int, Int64Array]]:
    """Each distinct key, and its places."""
    # np.unique imports numpy.ma at its first call, which takes longer than a seek.
    for key in sorted(set(keys.tolist())):
        yield key, np.flatnonzero(keys == key)
