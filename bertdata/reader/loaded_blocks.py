"""Blocks of examples in memory, so that rows of many blocks are taken in one step.

Legend of shapes: S slots, each for one block; R requested rows; L length of their longest list.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from bertdata.arrays import AnyArray, Int64Array, offsets_of, places_within
from bertdata.errors import damaged_one
from bertdata.reader.batches import CompactBatch
from bertdata.storage.schema import MAX_PIECES

_LISTS = ("input_ids", "masked_lm_positions", "masked_lm_ids")
_NUMBERS = ("segment_b_start", "next_sentence_label", "document_id")


class LoadedBlocks:
    """Some blocks of a split, each in a slot of its own.

    `num_blocks`: blocks of the split. `kept`: how many blocks are kept; more only if one call needs
    more. `schema`: of the examples.
    """

    def __init__(self, num_blocks: int, kept: int, schema: pa.Schema) -> None:
        self._kept = kept
        self._slots: dict[int, int] = {}  # slot of each loaded block, the oldest first
        self._slot_of = np.zeros(num_blocks, dtype=np.int64)
        self._lists = {name: _Lists(schema.field(name).type.value_type, kept) for name in _LISTS}
        self._numbers = {name: _Numbers(schema.field(name).type, kept) for name in _NUMBERS}

    def __len__(self) -> int:
        return len(self._slots)

    def missing(self, blocks: Int64Array) -> list[int]:
        """Those of the blocks that are not loaded, in order."""
        return sorted(set(blocks.tolist()) - self._slots.keys())

    def load(self, blocks: Int64Array, read: Callable[[int], pa.RecordBatch]) -> None:
        """Read the blocks that are not loaded; the oldest unused ones make room for them.

        Raises DataError for damaged lists.
        """
        wanted = set(blocks.tolist())
        for number in self.missing(blocks):
            batch = read(number)
            slot = self._free_slot(wanted)
            for name, column in (self._lists | self._numbers).items():
                column.store(slot, batch.column(name))
            self._slots[number] = self._slot_of[number] = slot

    def lengths_of(self, blocks: Int64Array, rows: Int64Array) -> Int64Array:
        """Pieces of each row; rows are numbered within their block."""
        return self._lists["input_ids"].lengths_of(self._slot_of[blocks], rows)

    def predictions_of(self, blocks: Int64Array, rows: Int64Array) -> Int64Array:
        """Masked pieces of each row."""
        return self._lists["masked_lm_positions"].lengths_of(self._slot_of[blocks], rows)

    def document_ids_of(self, blocks: Int64Array, rows: Int64Array) -> list[int]:
        """The document of each row's segment A."""
        ids: list[int] = self._numbers["document_id"].take(self._slot_of[blocks], rows).tolist()
        return ids

    def take(self, blocks: Int64Array, rows: Int64Array) -> CompactBatch:
        """These rows, in this order. Raises DataError for damaged masks."""
        slots = self._slot_of[blocks]
        starts_of_b, labels = (
            self._numbers[name].take(slots, rows).astype(np.int64) for name in _NUMBERS[:2]
        )
        input_ids, lengths = self._lists["input_ids"].take(slots, rows)
        positions, num_masked = self._lists["masked_lm_positions"].take(slots, rows)
        masked_ids, num_ids = self._lists["masked_lm_ids"].take(slots, rows)
        if not np.array_equal(num_masked, num_ids):
            raise damaged_one("a shard has different numbers of masked pieces and positions")
        return CompactBatch(
            input_ids=input_ids,
            offsets=offsets_of(lengths),
            segment_b_starts=starts_of_b,
            masked_positions=positions.astype(np.int64),
            masked_ids=masked_ids,
            masked_offsets=offsets_of(num_masked),
            next_sentence_labels=labels,
        )

    def _free_slot(self, wanted: set[int]) -> int:
        unwanted = (number for number in self._slots if number not in wanted)
        if len(self._slots) >= self._kept and (oldest := next(unwanted, None)) is not None:
            del self._slots[oldest]
        used = set(self._slots.values())
        return next(slot for slot in itertools.count() if slot not in used)


class _Numbers:
    """A column of numbers: one row of a table per slot."""

    def __init__(self, kind: pa.DataType, slots: int) -> None:
        self._table_SR = np.zeros((slots, 0), dtype=str(kind))

    def store(self, slot: int, numbers: pa.Array) -> None:
        self._table_SR = _with_room(self._table_SR, slot, len(numbers))
        self._table_SR[slot, : len(numbers)] = numbers.to_numpy()

    def take(self, slots: Int64Array, rows: Int64Array) -> AnyArray:
        return self._table_SR[slots, rows]


class _Lists:
    """A column of lists: one row of a table per slot, with its lists one after the other."""

    def __init__(self, kind: pa.DataType, slots: int) -> None:
        self._values_S = np.zeros((slots, 1), dtype=str(kind))
        self._offsets_S = np.zeros((slots, 1), dtype=np.int64)

    def store(self, slot: int, lists: pa.ListArray) -> None:
        offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy()
        _check_lists(offsets, values)
        # With room after the last list for a window as long as the longest possible list.
        self._values_S = _with_room(self._values_S, slot, len(values) + MAX_PIECES)
        self._values_S[slot, : len(values)] = values
        self._offsets_S = _with_room(self._offsets_S, slot, len(offsets))
        self._offsets_S[slot, : len(offsets)] = offsets

    def lengths_of(self, slots: Int64Array, rows: Int64Array) -> Int64Array:
        return self._offsets_S[slots, rows + 1] - self._offsets_S[slots, rows]

    def take(self, slots: Int64Array, rows: Int64Array) -> tuple[AnyArray, Int64Array]:
        """The values of these lists, one list after the other, and the length of each."""
        lengths = self.lengths_of(slots, rows)
        longest = int(lengths.max(initial=0)) or 1
        starts = self._offsets_S[slots, rows] + slots * self._values_S.shape[1]
        # Windows of one length from the start of each list; places beyond its end are dropped.
        table_RL = sliding_window_view(self._values_S.reshape(-1), longest)[starts]
        return table_RL[places_within(lengths, longest)], lengths


def _check_lists(offsets: AnyArray, values: AnyArray) -> None:
    lengths = np.diff(offsets)
    if lengths.min(initial=0) < 0 or offsets[0] < 0 or offsets[-1] > len(values):
        raise damaged_one("a shard's lists go beyond its values: it is damaged")
    if (longest := lengths.max(initial=0)) > MAX_PIECES:
        raise damaged_one(f"a shard has a list of {longest} pieces, more than {MAX_PIECES}")


def _with_room(table: AnyArray, slot: int, size: int) -> AnyArray:
    """The table, or a larger copy if the slot is missing or too small."""
    slots, room = table.shape
    if slot < slots and size <= room:
        return table
    larger = np.zeros((max(slots, slot + 1), max(room, 1 << size.bit_length())), table.dtype)
    larger[:slots, :room] = table
    return larger
