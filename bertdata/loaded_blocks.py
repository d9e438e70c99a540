"""Blocks of examples in memory, and how rows are taken out of many of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.stride_tricks import as_strided

from bertdata.batches import CompactBatch, IntArray, offsets_of
from bertdata.errors import DataError

Column = npt.NDArray[np.integer[Any]]


class Block(NamedTuple):
    """Where the columns of a record batch lie in memory; those of lists as offsets and values."""

    input_ids: pa.Buffer
    input_offsets: pa.Buffer
    positions: pa.Buffer
    masked_ids: pa.Buffer
    masked_offsets: pa.Buffer
    segment_b_starts: pa.Buffer
    labels: pa.Buffer
    document_ids: pa.Buffer

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Block:
        """The buffers of a batch as read from a file, where no column is a slice of another."""
        _, input_offsets, _, input_ids = batch.column("input_ids").buffers()
        # Both columns of masks have lists of the same lengths, so also the same offsets.
        _, masked_offsets, _, positions = batch.column("masked_lm_positions").buffers()
        return cls(
            input_ids=input_ids,
            input_offsets=input_offsets,
            positions=positions,
            masked_ids=batch.column("masked_lm_ids").buffers()[-1],
            masked_offsets=masked_offsets,
            segment_b_starts=batch.column("segment_b_start").buffers()[-1],
            labels=batch.column("next_sentence_label").buffers()[-1],
            document_ids=batch.column("document_id").buffers()[-1],
        )


class LoadedBlocks:
    """Some blocks in memory, by their numbers; never changed, so that threads may share it.

    `num_blocks`: of the split; `piece_dtype`: of piece ids.
    """

    def __init__(
        self, num_blocks: int, blocks: Mapping[int, Block], piece_dtype: npt.DTypeLike
    ) -> None:
        self._blocks = blocks
        self._piece_dtype = piece_dtype
        self._slots = np.full(num_blocks, -1, dtype=np.int64)
        self._slots[list(blocks)] = np.arange(len(blocks))

        def column(name: str, dtype: npt.DTypeLike) -> MemoryColumn:
            return MemoryColumn([getattr(block, name) for block in blocks.values()], dtype)

        masked_offsets = column("masked_offsets", np.int32)
        self._input_ids = _Ragged(
            column("input_ids", piece_dtype), column("input_offsets", np.int32)
        )
        self._positions = _Ragged(column("positions", np.uint16), masked_offsets)
        self._masked_ids = column("masked_ids", piece_dtype)
        self._segment_b_starts = column("segment_b_starts", np.uint16)
        self._labels = column("labels", np.uint8)
        self._document_ids = column("document_ids", np.uint64)

    def missing(self, blocks: IntArray) -> list[int]:
        """Those of the blocks that are not here."""
        missing: list[int] = np.unique(blocks[self._slots[blocks] < 0]).tolist()
        return missing

    def with_blocks(self, read: Mapping[int, Block], wanted: IntArray, most: int) -> LoadedBlocks:
        """These blocks and more; above `most`, the oldest that are not wanted go."""
        blocks = {**self._blocks, **read}
        kept = set(wanted.tolist())
        unwanted = [number for number in blocks if number not in kept]
        for number in unwanted[: max(0, len(blocks) - most)]:
            del blocks[number]
        return LoadedBlocks(len(self._slots), blocks, self._piece_dtype)

    def lengths_of(self, blocks: IntArray, rows: IntArray) -> IntArray:
        """Pieces of each row; rows are numbered within their block."""
        return self._input_ids.bounds(self._slots[blocks], rows)[1]

    def predictions_of(self, blocks: IntArray, rows: IntArray) -> IntArray:
        """Masked pieces of each row."""
        return self._positions.bounds(self._slots[blocks], rows)[1]

    def document_ids_of(self, blocks: IntArray, rows: IntArray) -> list[int]:
        """Where each row's A is from."""
        ids: list[int] = _pick(self._document_ids, self._slots[blocks], rows).tolist()
        return ids

    def take(self, blocks: IntArray, rows: IntArray) -> CompactBatch:
        """These rows, in this order."""
        slots = self._slots[blocks]
        starts, lengths = self._input_ids.bounds(slots, rows)
        offsets = offsets_of(lengths)
        masked_starts, masked_lengths = self._positions.bounds(slots, rows)
        masked_offsets = offsets_of(masked_lengths)
        masks = masked_starts, masked_lengths, masked_offsets
        return CompactBatch(
            input_ids=_gather(self._input_ids.values, slots, starts, lengths, offsets),
            offsets=offsets,
            segment_b_starts=_pick(self._segment_b_starts, slots, rows).astype(np.int64),
            masked_positions=_gather(self._positions.values, slots, *masks).astype(np.int64),
            masked_ids=_gather(self._masked_ids, slots, *masks),
            masked_offsets=masked_offsets,
            next_sentence_labels=_pick(self._labels, slots, rows).astype(np.int64),
        )


class MemoryColumn:
    """One column of several blocks as one array, without a copy.

    Blocks lie anywhere in memory. `values` is an array over the whole span of addresses from the
    first to the last of them, so that rows of any block are gathered in one step. Block n is
    `sizes[n]` values from `starts[n]` on; what lies between blocks is never looked at.
    """

    def __init__(self, parts: Sequence[pa.Buffer], dtype: npt.DTypeLike) -> None:
        # The parts own the memory: as long as they are here, so is it.
        self._parts = parts
        itemsize = np.dtype(dtype).itemsize
        self.sizes = np.array([part.size for part in parts], dtype=np.int64) // itemsize
        self.starts = np.zeros(len(parts), dtype=np.int64)
        self.values: Column = np.empty(0, dtype)
        filled = [part for part in parts if part.size]
        if not filled:
            return
        first = min(filled, key=_address)
        distances = [part.address - first.address if part.size else 0 for part in parts]
        self.starts[:] = np.array(distances) // itemsize
        self.values = as_strided(
            np.frombuffer(first, dtype, count=1),
            shape=(int((self.starts + self.sizes).max()),),
            strides=(itemsize,),
            writeable=False,
        )


class _Ragged(NamedTuple):
    """A column of lists: those of row r of block n are at the offsets r and r + 1 of it."""

    values: MemoryColumn
    offsets: MemoryColumn

    def bounds(self, blocks: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Where the lists start, within their block, and how long they are."""
        places = self.offsets.starts[blocks] + rows
        starts = self.offsets.values[places].astype(np.int64)
        return starts, self.offsets.values[places + 1] - starts


def _gather(
    column: MemoryColumn, blocks: IntArray, starts: IntArray, lengths: IntArray, offsets: IntArray
) -> Any:
    """Lists in a row: for list i the values from `starts[i]` of its block on, to `offsets[i]`."""
    if (lengths < 0).any() or (starts < 0).any() or (starts + lengths > column.sizes[blocks]).any():
        raise DataError("a shard's lists go beyond its values: it is damaged; make it again")
    shifts = column.starts[blocks] + starts - offsets[:-1]
    places = np.repeat(shifts, lengths)
    places += np.arange(len(places))
    return column.values.take(places)


def _pick(column: MemoryColumn, blocks: IntArray, rows: IntArray) -> Any:
    return column.values[column.starts[blocks] + rows]


def _address(part: pa.Buffer) -> int:
    return int(part.address)
