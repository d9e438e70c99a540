"""The rows of all shards of a split, read a block at a time: blocks are their record batches.

A block is read and decompressed when one of its rows is requested. The last blocks are kept, so
memory does not depend on the number of shards, and rows in an order that uses few blocks at a time
(`bertdata.reader.row_order`) cost little more than a copy.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int64Array, offsets_of
from bertdata.errors import DataError
from bertdata.reader.batches import CompactBatch
from bertdata.reader.loaded_blocks import LoadedBlocks
from bertdata.reader.row_order import WINDOW_BLOCKS
from bertdata.storage.schema import check_schema, examples_schema
from bertdata.storage.shards import Shard, arrow_errors_as_data_errors, map_arrow

# Kept in memory: the current window, and those that readers ahead or behind still need.
_KEPT_BLOCKS = 3 * WINDOW_BLOCKS


class StoredExamples:
    """All rows of some shards, numbered from 0; can be read by several threads.

    Raises DataError for a file that differs from its manifest, at once or when a damaged part of it
    is read.
    """

    def __init__(self, folder: Path, shards: Sequence[Shard], vocabulary_size: int) -> None:
        schema = examples_schema(vocabulary_size)
        stored = [_StoredShard(folder / shard.path, shard.rows, schema) for shard in shards]
        self._blocks = [
            (shard, number) for shard in stored for number in range(len(shard.block_rows))
        ]
        self.block_rows = [rows for shard in stored for rows in shard.block_rows]
        self._bounds = offsets_of(np.array(self.block_rows, dtype=np.int64))
        self._loaded = LoadedBlocks(len(self._blocks), _KEPT_BLOCKS, schema)
        # Loading changes the tables, and Arrow's readers are not documented as thread-safe.
        self._lock = threading.Lock()

    def check_contents(self, vocabulary_size: int) -> str | None:
        """What is wrong with the rows, impossible ids or masks, or None. Reads all rows."""
        blocks = (shard.read_block(number) for shard, number in self._blocks)
        faults = (_find_fault(block, vocabulary_size) for block in blocks)
        return next((fault for fault in faults if fault), None)

    def longest_row(self) -> int:
        """Pieces of the longest row. Reads all rows."""
        blocks = (shard.read_block(number) for shard, number in self._blocks)
        with self._lock:
            return max((_longest(block.column("input_ids")) for block in blocks), default=0)

    def lengths_of(self, rows: Int64Array) -> Int64Array:
        """Pieces of each row."""
        with self._load(rows) as (loaded, blocks, local):
            return loaded.lengths_of(blocks, local)

    def predictions_of(self, rows: Int64Array) -> Int64Array:
        """Masked pieces of each row."""
        with self._load(rows) as (loaded, blocks, local):
            return loaded.predictions_of(blocks, local)

    def document_ids_of(self, rows: Int64Array) -> list[int]:
        """The document of each row's segment A."""
        with self._load(rows) as (loaded, blocks, local):
            return loaded.document_ids_of(blocks, local)

    def take(self, rows: Int64Array) -> CompactBatch:
        """These rows, in this order."""
        with self._load(rows) as (loaded, blocks, local):
            return loaded.take(blocks, local)

    @contextlib.contextmanager
    def _load(self, rows: Int64Array) -> Iterator[tuple[LoadedBlocks, Int64Array, Int64Array]]:
        """Load the blocks of rows; yields them and the rows within them, under the lock."""
        blocks = np.searchsorted(self._bounds, rows, side="right") - 1
        with self._lock:
            self._loaded.load(blocks, self._read)
            yield self._loaded, blocks, rows - self._bounds[blocks]

    def _read(self, block: int) -> pa.RecordBatch:
        shard, number = self._blocks[block]
        return shard.read_block(number)


class _StoredShard:
    """The record batches of a file, and their numbers of rows, found by reading one column."""

    def __init__(self, path: Path, rows: int, schema: pa.Schema) -> None:
        self._path = path
        self._mapped = map_arrow(path)
        with arrow_errors_as_data_errors(path):
            # A block is too small for several threads: they would cost more than they save.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            self._reader = pa.ipc.open_file(self._mapped, options=options)
            check_schema(self._reader.schema, schema, str(path))
        self.block_rows = self._count_rows(schema)
        if (found := sum(self.block_rows)) != rows:
            raise DataError(f"{path} has {found} rows, the manifest says {rows}")

    def read_block(self, number: int) -> pa.RecordBatch:
        """A record batch; it keeps the mapping alive."""
        with arrow_errors_as_data_errors(self._path):
            batch = self._reader.get_batch(number)
            batch.validate()  # buffers shorter than the rows need would crash a read
        if _has_nulls(batch):
            raise DataError(f"{self._path} has nulls; make it again")
        return batch

    def _count_rows(self, schema: pa.Schema) -> list[int]:
        label = schema.get_field_index("next_sentence_label")
        options = pa.ipc.IpcReadOptions(included_fields=[label], use_threads=False)
        with arrow_errors_as_data_errors(self._path):
            reader = pa.ipc.open_file(self._mapped, options=options)
            return [reader.get_batch(n).num_rows for n in range(reader.num_record_batches)]


def _has_nulls(block: pa.RecordBatch) -> bool:
    values = (column.values for column in block.columns if pa.types.is_list(column.type))
    return any(column.null_count for column in (*block.columns, *values))


def _find_fault(block: pa.RecordBatch, vocabulary_size: int) -> str | None:
    if (highest := _highest_id(block)) >= vocabulary_size:
        return f"has piece id {highest}, the vocabulary has {vocabulary_size} pieces"
    return None if _masks_fit(block) else "predicts pieces beyond their rows; make it again"


def _masks_fit(batch: pa.RecordBatch) -> bool:
    columns = (batch.column(name) for name in ("input_ids", "masked_lm_positions"))
    lengths, counts = (np.diff(column.offsets.to_numpy()) for column in columns)
    positions = batch.column("masked_lm_positions").flatten().to_numpy()
    if (counts < 0).any() or counts.sum() != len(positions):
        return False
    return bool((positions < np.repeat(lengths, counts)).all())


def _highest_id(batch: pa.RecordBatch) -> int:
    columns = (batch.column(name) for name in ("input_ids", "masked_lm_ids"))
    return max(int(column.values.to_numpy().max(initial=0)) for column in columns)


def _longest(column: pa.ListArray) -> int:
    return int(np.diff(column.offsets.to_numpy()).max(initial=0))
