"""`sentences/*.arrow`: documents as sentences, each file a range of partitions.

A file has one record batch per partition, in order, including empty ones; in a partition documents
are in the order of the input. So the partitions of a pool lie one after the other in one file, or
at the end of one and the beginning of the next. `rejected-*.arrow` beside it lists documents that
were not written.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.config import Table
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.find import DROPPED
from bertdata.errors import damaged_file
from bertdata.grouping import fill_groups
from bertdata.processes.memory import return_free_memory
from bertdata.sentences.removal import remove
from bertdata.storage.locations import Location
from bertdata.storage.schema import REJECTED, SENTENCES, check_schema
from bertdata.storage.shards import Shard, open_arrow, write_arrow

_READ_BYTES = 2 << 20
_REJECTED_ROWS = 10_000  # per batch of rejections


@dataclass(kw_only=True)
class SentenceCounts:
    """Counts of the documents of a file or a stage; `rejected` per reason, `sources` per corpus.

    `documents_per_partition`: of the partitions that are counted, in order.
    """

    rejected: Counter[str] = field(default_factory=Counter)
    sources: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sentences: int = 0
    lines_dropped: int = 0
    sentences_dropped: int = 0
    text_bytes: int = 0
    documents_per_partition: list[int] = field(default_factory=list)

    def to_table(self) -> Table:
        """The counts by the names they have in the manifest."""
        written = sum(self.documents_per_partition)
        return {
            "documents_read": written + self.rejected.total(),
            "documents_written": written,
            "documents_rejected": self.rejected.total(),
            "rejected": dict(sorted(self.rejected.items())),
            "sources": {name: dict(self.sources[name]) for name in sorted(self.sources)},
            "sentences": self.sentences,
            "text_bytes": self.text_bytes,
            "documents_per_partition": self.documents_per_partition,
            **{name: count for name, count in self._dropped().items() if count},
        }

    def _dropped(self) -> dict[str, int]:
        return {"lines_dropped": self.lines_dropped, "sentences_dropped": self.sentences_dropped}

    def count_sentences(self, batch: pa.RecordBatch) -> None:
        """Count the documents of a batch of one partition, which is the next one."""
        self.documents_per_partition.append(batch.num_rows)
        self.count_rows(batch)

    def count_rows(self, documents: pa.RecordBatch) -> None:
        """Count documents and their sentences, but not their partition."""
        self._count_sources(documents, "written")
        texts = documents.column("sentences").flatten()
        self.sentences += len(texts)
        self.text_bytes += pc.sum(pc.binary_length(texts), min_count=0).as_py()

    def count_rejections(self, batch: pa.RecordBatch) -> list[tuple[str, int]]:
        """Count a batch of rejections; returns how many have each reason."""
        self._count_sources(batch, "rejected")
        reasons = list(_value_counts(batch.column("reason")))
        for reason, count in reasons:
            self.rejected[reason] += count
        return reasons

    def _count_sources(self, batch: pa.RecordBatch, outcome: str) -> None:
        for source, count in _value_counts(batch.column("source")):
            self.sources[source][outcome] += count


@dataclass(frozen=True, kw_only=True)
class _SentenceFile:
    """What was written of one file's documents. `kept`: document_id, name_hash of each."""

    shards: tuple[Shard, ...]
    counts: Table
    kept: pa.Table


def write_file(
    folder: Location,
    number: int,
    layout: Layout,
    blocks: Iterable[pa.Table],
    dropped: Iterable[pa.Table],
) -> _SentenceFile:
    """Write a file of sentences, and the one of its rejections if there are any.

    `blocks`: the rows of blocks that are for this file, the blocks in any order; one at least, but
    it may be empty. `dropped`: rows of `bertdata.duplicates.find.DROPPED` for them, in any order.
    """
    return_free_memory()  # of the splitting and of the file before
    counts = SentenceCounts()
    gone = pa.concat_tables([DROPPED.empty_table(), *dropped])
    documents = remove(_in_order(blocks), gone)
    counts.sentences_dropped = int((gone["sentence"].to_numpy() >= 0).sum())
    counts.lines_dropped = pc.sum(documents["lines_dropped"], min_count=0).as_py()
    is_kept = pc.equal(documents["reason"], "")
    rejected = documents.select(REJECTED.names).filter(pc.invert(is_kept))
    ending = f"{number:05d}-of-{layout.num_files:05d}.arrow"
    batches = _partition(documents, is_kept, number, layout, counts)
    shards = [write_arrow(folder / f"sentences-{ending}", SENTENCES, batches)]
    if len(rejected):
        some = _rejection_batches(rejected, counts)
        shards.append(write_arrow(folder / f"rejected-{ending}", REJECTED, some))
    kept = documents.select(["document_id", "name_hash"]).filter(is_kept)
    return _SentenceFile(shards=tuple(shards), counts=counts.to_table(), kept=kept)


def _in_order(blocks: Iterable[pa.Table]) -> pa.Table:
    """The rows of all blocks in the order of the input; those of a block are in order."""
    tables = list(blocks)
    tables.sort(key=lambda table: table["order"][0].as_py() if len(table) else -1)
    return pa.concat_tables(tables).combine_chunks()


def iterate_sentences(location: Location) -> Iterator[pa.StringArray]:
    """The sentences of one file, some megabytes at a time."""
    with open_arrow(location, mapped=False) as reader:
        check_schema(reader.schema, SENTENCES, str(location))
        batches = map(reader.get_batch, range(reader.num_record_batches))
        sentences = (batch.column("sentences").flatten() for batch in batches)
        yield from map(pa.concat_arrays, fill_groups(sentences, _READ_BYTES, attrgetter("nbytes")))


def read_documents(
    folder: Location, files: Sequence[str], layout: Layout, first: int, end: int
) -> Iterator[pa.Table]:
    """The documents of the partitions [first, end), some megabytes at a time, in order.

    `files`: names of all files of the stage. Raises DataError for a file that is damaged or has
    other partitions.
    """
    return _join(_read_batches(folder, files, layout, first, end))


def read_ranges(
    folder: Location, files: Sequence[str], layout: Layout, ranges: Sequence[tuple[int, int]]
) -> Iterator[Iterator[pa.Table]]:
    """`read_documents` for ranges that follow each other, each to be read before the next one.

    Each file is opened once.
    """
    batches = _read_batches(folder, files, layout, ranges[0][0], ranges[-1][1])
    for first, end in ranges:
        yield _join(itertools.islice(batches, end - first))


def _join(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    for some in fill_groups(batches, _READ_BYTES, _buffer_bytes):
        # As one chunk: selecting rows from hundreds of chunks takes many times as long.
        yield pa.Table.from_batches(some, SENTENCES).combine_chunks()


def _read_batches(
    folder: Location, files: Sequence[str], layout: Layout, first: int, end: int
) -> Iterator[pa.RecordBatch]:
    for name, (start, stop) in zip(files, layout.ranges, strict=True):
        if start < end and first < stop:
            # Not as a map, whose touched pages would count as memory.
            with open_arrow(folder / name, mapped=False) as reader:
                _check_file(reader, stop - start, str(folder / name))
                wanted = range(max(first, start) - start, min(end, stop) - start)
                yield from map(reader.get_batch, wanted)


def _check_file(reader: pa.RecordBatchFileReader, num_partitions: int, where: str) -> None:
    check_schema(reader.schema, SENTENCES, where)
    if reader.num_record_batches != num_partitions:
        raise damaged_file(
            f"{where} has {reader.num_record_batches} batches, expected {num_partitions}"
        )


def _partition(
    documents: pa.Table,
    is_kept: pa.ChunkedArray,
    number: int,
    layout: Layout,
    counts: SentenceCounts,
) -> Iterator[pa.RecordBatch]:
    """One batch per partition of a file, of the kept documents, in order, counted."""
    first, end = layout.ranges[number]
    partitions = layout.partitions_of(documents["document_id"].to_numpy())
    partitions[~is_kept.to_numpy()] = end
    order = np.argsort(partitions, kind="stable")
    bounds = np.searchsorted(partitions[order], np.arange(first, end + 1))
    documents = documents.select(SENTENCES.names).cast(SENTENCES)
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        rows = documents.take(pa.array(order[start:stop])).combine_chunks()
        batch = rows.to_batches()[0] if len(rows) else _EMPTY
        counts.count_sentences(batch)
        yield batch


def _rejection_batches(rejected: pa.Table, counts: SentenceCounts) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rejected), _REJECTED_ROWS):
        rows = rejected.slice(start, _REJECTED_ROWS).cast(REJECTED).combine_chunks()
        (batch,) = rows.to_batches()
        counts.count_rejections(batch)
        yield batch


def _value_counts(column: pa.StringArray) -> Iterator[tuple[str, int]]:
    counted = column.value_counts()
    yield from zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist())


def _buffer_bytes(batch: pa.RecordBatch) -> int:
    """Equal to `nbytes` for a batch that was read whole, at a tenth of the cost."""
    return batch.get_total_buffer_size()  # type: ignore[no-any-return]


_EMPTY = pa.RecordBatch.from_pylist([], schema=SENTENCES)
