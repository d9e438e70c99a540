"""The rows of all shards of a split, read where they lie in the mapped files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bertdata.batches import CompactBatch, IntArray, offsets_of
from bertdata.errors import DataError
from bertdata.schema import check_schema, examples_schema
from bertdata.shards import Shard, open_arrow

Column = npt.NDArray[np.integer[Any]]


class MappedColumn:
    """One column of many record batches as one array, without a copy.

    Mapped files lie anywhere in memory. `values` is an array over the whole span of addresses from
    the first to the last of them, so that rows of any batch are gathered in one step. Batch n is
    `sizes[n]` values from `starts[n]` on; what lies between batches is never looked at.
    """

    def __init__(self, parts: Sequence[Column]) -> None:
        filled = [part for part in parts if len(part)]
        self.values: Column = parts[0][:0] if parts else np.empty(0, np.uint8)
        self.starts = np.zeros(len(parts), dtype=np.int64)
        self.sizes = np.array([len(part) for part in parts], dtype=np.int64)
        # The parts own the mappings: as long as they are here, so are the files.
        self._parts = filled
        if not filled:
            return
        first = min(filled, key=_address)
        end = max(_address(part) + part.nbytes for part in filled)
        count = (end - _address(first)) // first.itemsize
        self.values = np.lib.stride_tricks.as_strided(first, shape=(count,), writeable=False)
        distances = [_address(part) - _address(first) if len(part) else 0 for part in parts]
        self.starts[:] = np.array(distances) // first.itemsize


class _Ragged(NamedTuple):
    """A column of lists: those of row r of batch n are at the offsets r and r + 1 of it."""

    values: MappedColumn
    offsets: MappedColumn

    def bounds(self, batches: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Where the lists start, within their batch, and how long they are."""
        places = self.offsets.starts[batches] + rows
        starts = self.offsets.values[places].astype(np.int64)
        return starts, self.offsets.values[places + 1] - starts


class MappedExamples:
    """All rows of some shards, numbered through. Raises DataError where a file is not as told."""

    def __init__(self, folder: Path, shards: Sequence[Shard], vocabulary_size: int) -> None:
        self._schema = examples_schema(vocabulary_size)
        batches = [b for shard in shards for b in _read_batches(folder, shard, self._schema)]
        self._bounds = np.cumsum([0] + [batch.num_rows for batch in batches])
        self.num_rows = int(self._bounds[-1])
        self._input_ids = _ragged([batch.column("input_ids") for batch in batches])
        self._positions = _ragged([batch.column("masked_lm_positions") for batch in batches])
        self._masked_ids = _ragged([batch.column("masked_lm_ids") for batch in batches])
        self._segment_b_starts = _flat([batch.column("segment_b_start") for batch in batches])
        self._labels = _flat([batch.column("next_sentence_label") for batch in batches])
        self._document_ids = _flat([batch.column("document_id") for batch in batches])
        self._batches = batches

    def longest_row(self) -> int:
        """Pieces of the longest row."""
        return max(map(_longest, (batch.column("input_ids") for batch in self._batches)), default=0)

    def highest_id(self) -> int:
        """The highest piece id in any row; -1 when there is none. Reads everything."""
        columns = (b.column(name) for b in self._batches for name in ("input_ids", "masked_lm_ids"))
        return max((int(c.values.to_numpy().max(initial=0)) for c in columns), default=-1)

    def masks_fit(self) -> bool:
        """Whether every masked position lies in its row. Reads them all."""
        return all(map(_masks_fit, self._batches))

    def lengths_of(self, rows: IntArray) -> IntArray:
        """Pieces of each row, without reading them."""
        return self._input_ids.bounds(*self._locate(rows))[1]

    def predictions_of(self, rows: IntArray) -> IntArray:
        """Masked pieces of each row, without reading them."""
        return self._positions.bounds(*self._locate(rows))[1]

    def document_ids_of(self, rows: IntArray) -> list[int]:
        """Where each row's A is from."""
        ids: list[int] = _pick(self._document_ids, *self._locate(rows)).tolist()
        return ids

    def take(self, rows: IntArray) -> CompactBatch:
        """These rows, in this order."""
        batches, local = self._locate(rows)
        starts, lengths = self._input_ids.bounds(batches, local)
        offsets = offsets_of(lengths)
        masked_starts, masked_lengths = self._positions.bounds(batches, local)
        masked_offsets = offsets_of(masked_lengths)
        # Both columns of masks have lists of the same lengths, so also the same offsets.
        masks = masked_starts, masked_lengths, masked_offsets
        return CompactBatch(
            input_ids=_gather(self._input_ids.values, batches, starts, lengths, offsets),
            offsets=offsets,
            segment_b_starts=_pick(self._segment_b_starts, batches, local).astype(np.int64),
            masked_positions=_gather(self._positions.values, batches, *masks).astype(np.int64),
            masked_ids=_gather(self._masked_ids.values, batches, *masks),
            masked_offsets=masked_offsets,
            next_sentence_labels=_pick(self._labels, batches, local).astype(np.int64),
        )

    def _locate(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The batch of each row, and which row of it that is."""
        batches = np.searchsorted(self._bounds, rows, side="right") - 1
        return batches, rows - self._bounds[batches]


def _read_batches(folder: Path, shard: Shard, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard; they keep the mapping alive after it is closed here."""
    path = folder / shard.path
    with open_arrow(path) as reader:
        check_schema(reader.schema, schema, str(path))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate()  # that its buffers are as long as its rows want, or a read would crash
    if (rows := sum(batch.num_rows for batch in batches)) != shard.rows:
        raise DataError(f"{path} has {rows} rows, the manifest says {shard.rows}")
    return (batch for batch in batches if batch.num_rows)


def _masks_fit(batch: pa.RecordBatch) -> bool:
    columns = (batch.column(name) for name in ("input_ids", "masked_lm_positions"))
    lengths, counts = (np.diff(column.offsets.to_numpy()) for column in columns)
    positions = batch.column("masked_lm_positions").flatten().to_numpy()
    if (counts < 0).any() or counts.sum() != len(positions):
        return False
    return bool((positions < np.repeat(lengths, counts)).all())


def _gather(
    column: MappedColumn, batches: IntArray, starts: IntArray, lengths: IntArray, offsets: IntArray
) -> Any:
    """Lists in a row: for list i the values from `starts[i]` of its batch on, to `offsets[i]`."""
    if (
        (lengths < 0).any()
        or (starts < 0).any()
        or (starts + lengths > column.sizes[batches]).any()
    ):
        raise DataError("a shard's lists go beyond its values: it is damaged; make it again")
    shifts = column.starts[batches] + starts - offsets[:-1]
    places = np.repeat(shifts, lengths)
    places += np.arange(len(places))
    return column.values.take(places)


def _pick(column: MappedColumn, batches: IntArray, rows: IntArray) -> Any:
    return column.values[column.starts[batches] + rows]


def _ragged(columns: Sequence[pa.ListArray]) -> _Ragged:
    return _Ragged(
        MappedColumn([column.values.to_numpy() for column in columns]),
        MappedColumn([column.offsets.to_numpy() for column in columns]),
    )


def _flat(columns: Sequence[pa.Array]) -> MappedColumn:
    return MappedColumn([column.to_numpy() for column in columns])


def _longest(column: pa.ListArray) -> int:
    return int(np.diff(column.offsets.to_numpy()).max(initial=0))


def _address(values: Column) -> int:
    return int(values.ctypes.data)
