"""The rows of all shards of a split, read a block at a time: blocks are their record batches.

A block is read and decompressed when one of its rows is requested. The last blocks are kept, so
memory does not depend on the number of shards, and rows in an order that uses few blocks at a time
(`bertdata.reader.row_order`) cost little more than a copy.

Shards of this machine are memory-mapped. Of those at an address, blocks are fetched by their ranges
of the file, several at once.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int64Array, offsets_of
from bertdata.errors import damaged_file
from bertdata.reader.batches import CompactBatch
from bertdata.reader.loaded_blocks import LoadedBlocks
from bertdata.reader.row_order import WINDOW_BLOCKS
from bertdata.reader.waiting import map_waiting
from bertdata.storage.files import open_arrow_file
from bertdata.storage.locations import Address, Location
from bertdata.storage.schema import check_schema, examples_schema
from bertdata.storage.shards import Shard, arrow_errors_as_data_errors, map_arrow

# Kept in memory: the current window, and those that readers ahead or behind still need.
_KEPT_BLOCKS = 3 * WINDOW_BLOCKS


class StoredExamples:
    """All rows of some shards, numbered from 0; can be read by several threads.

    Raises DataError for a file that differs from its manifest, at once or when a damaged part of it
    is read.
    """

    def __init__(self, folder: Location, shards: Sequence[Shard], vocabulary_size: int) -> None:
        schema = examples_schema(vocabulary_size)
        self._is_remote = isinstance(folder, Address)

        def open_shard(shard: Shard) -> _StoredShard:
            return _StoredShard(folder / shard.path, shard.rows, schema)

        self._shards = list(map_waiting(open_shard, shards, self._is_remote))
        self._blocks = [
            (shard, number) for shard in self._shards for number in range(len(shard.block_rows))
        ]
        self.block_rows = [rows for shard in self._shards for rows in shard.block_rows]
        self._bounds = offsets_of(np.array(self.block_rows, dtype=np.int64))
        self._loaded = LoadedBlocks(len(self._blocks), _KEPT_BLOCKS, schema)
        self._lock = threading.Lock()  # loading changes the tables

    def read_blocks(self) -> Iterator[pa.RecordBatch]:
        """All record batches in order, one at a time."""
        for shard in self._shards:
            yield from shard.read_blocks()

    def check_contents(self, vocabulary_size: int) -> str | None:
        """What is wrong with the rows, impossible ids or masks, or None. Reads all rows."""

        def check(shard: _StoredShard) -> str | None:
            faults = (_find_fault(block, vocabulary_size) for block in shard.read_blocks())
            return next((fault for fault in faults if fault), None)

        faults = map_waiting(check, self._shards, self._is_remote)
        return next((fault for fault in faults if fault), None)

    def longest_row(self) -> int:
        """Pieces of the longest row. Reads all rows."""

        def measure(shard: _StoredShard) -> int:
            blocks = shard.read_blocks()
            return max((_longest(block.column("input_ids")) for block in blocks), default=0)

        return max(map_waiting(measure, self._shards, self._is_remote), default=0)

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
            self._loaded.load(blocks, self._reader_of(blocks))
            yield self._loaded, blocks, rows - self._bounds[blocks]

    def _reader_of(self, blocks: Int64Array) -> Callable[[int], pa.RecordBatch]:
        """Reads one block; at an address, those of `blocks` that are not loaded come together."""
        if not self._is_remote:
            return self._read
        missing = self._loaded.missing(blocks)
        fetched = dict(zip(missing, map_waiting(self._read, missing, is_remote=True)))
        return fetched.__getitem__

    def _read(self, block: int) -> pa.RecordBatch:
        shard, number = self._blocks[block]
        return shard.read_block(number)


class _StoredShard:
    """The record batches of a file, and their numbers of rows, found by reading one column."""

    def __init__(self, path: Location, rows: int, schema: pa.Schema) -> None:
        self._path = path
        self._lock = threading.Lock()  # Arrow's readers are not documented as thread-safe
        with arrow_errors_as_data_errors(path):
            self._source = self._open()
            # A block is too small for several threads: they would cost more than they save.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            self._reader = pa.ipc.open_file(self._source, options=options)
            check_schema(self._reader.schema, schema, str(path))
        self.block_rows = self._count_rows(schema)
        if (found := sum(self.block_rows)) != rows:
            raise damaged_file(f"{path} has {found} rows, the manifest says {rows}")

    def _open(self) -> pa.Buffer | pa.NativeFile:
        """The mapped file; that at an address stays open as long as this is in use."""
        if not isinstance(self._path, Address):
            return map_arrow(self._path)
        file = open_arrow_file(self._path)
        weakref.finalize(self, file.close)
        return file

    def read_block(self, number: int) -> pa.RecordBatch:
        """A record batch; it keeps the mapping alive."""
        with arrow_errors_as_data_errors(self._path), self._lock:
            batch = self._reader.get_batch(number)
            batch.validate()  # buffers shorter than the rows need would crash a read
        if _has_nulls(batch):
            raise damaged_file(f"{self._path} has nulls")
        return batch

    def read_blocks(self) -> Iterator[pa.RecordBatch]:
        """All record batches, one after the other."""
        yield from map(self.read_block, range(len(self.block_rows)))

    def _count_rows(self, schema: pa.Schema) -> list[int]:
        label = schema.get_field_index("next_sentence_label")
        options = pa.ipc.IpcReadOptions(included_fields=[label], use_threads=False)
        with arrow_errors_as_data_errors(self._path):
            reader = pa.ipc.open_file(self._source, options=options)
            return [reader.get_batch(n).num_rows for n in range(reader.num_record_batches)]


def _has_nulls(block: pa.RecordBatch) -> bool:
    values = (column.values for column in block.columns if pa.types.is_list(column.type))
    return any(column.null_count for column in (*block.columns, *values))


def _find_fault(block: pa.RecordBatch, vocabulary_size: int) -> str | None:
    if (highest := _highest_id(block)) >= vocabulary_size:
        return f"has piece id {highest}, the vocabulary has {vocabulary_size} pieces"
    return None if _masks_fit(block) else "predicts pieces beyond their rows"


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
