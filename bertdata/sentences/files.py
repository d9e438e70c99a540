"""`sentences/*.arrow`: documents as sentences, gathered by partition.

A file is a sequence of rounds; each round has one record batch per partition, in order, including
empty ones. So batch `r * num_partitions + p` is partition p of round r, and to read a partition is
to pick its batches from every file. A round ends at 3 MB of text, or at 8 KB per partition if that
is more: memory is bounded, and the overhead of a batch is small compared to its text.
Documents are split in blocks of about 1 MB, for which a splitter is fastest.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import Int64Array
from bertdata.config import Table
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.identity import hash_documents
from bertdata.corpus.partitions import assign_partitions, split_evenly
from bertdata.duplicates.fingerprints import FingerprintWriter
from bertdata.errors import DataError
from bertdata.grouping import fill_groups
from bertdata.storage.schema import REJECTED, SENTENCES, check_schema
from bertdata.storage.shards import Shard, arrow_errors_as_data_errors, open_arrow, write_arrow

_ROUND_BYTES = 3 << 20
_BATCH_BYTES = 8 << 10
_READ_BYTES = 2 << 20
_BLOCK_CHARACTERS = 1 << 20
_MAX_OPEN_FILES = 128  # per reader
_REJECTED_ROWS = 10_000  # per batch of rejections

_SplitAll = Callable[[pa.StringArray], pa.ListArray]
_num_bytes = attrgetter("nbytes")


@dataclass(kw_only=True)
class SentenceCounts:
    """Counts of the documents of one unit; `rejected` per reason, `sources` per corpus."""

    num_partitions: int
    rejected: Counter[str] = field(default_factory=Counter)
    sources: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sentences: int = 0
    lines_dropped: int = 0
    text_bytes: int = 0
    documents_per_partition: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.documents_per_partition = [0] * self.num_partitions

    def note(self, source: str, outcome: str, count: int = 1) -> None:
        """Count documents of a corpus as "written" or "rejected"."""
        self.sources[source][outcome] += count

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
            **({"lines_dropped": self.lines_dropped} if self.lines_dropped else {}),
        }


def write_sentences(
    path: Path,
    rejected_path: Path,
    documents: Iterable[Document | Rejection],
    split_all: _SplitAll,
    num_partitions: int,
    seed: int,
    fingerprints: FingerprintWriter | None = None,
) -> tuple[list[Shard], Table]:
    """Split documents and write them to `path`; rejections, if any, to `rejected_path`.

    `documents`: either all or none of them have sentences of their own. `split_all`: texts to
    sentences. `fingerprints`: collects the fingerprints of each row and writes its own file.
    Returns the files written and the counts.
    """
    counts = SentenceCounts(num_partitions=num_partitions)
    rejections = _Rejections()
    kept = _keep_documents(documents, rejections, counts)
    blocks = (
        _in_order(_to_batch(block, split_all, fingerprints), num_partitions, seed)
        for block in fill_groups(kept, _BLOCK_CHARACTERS, lambda document: len(document.text))
    )
    empty = _EMPTY
    if fingerprints is not None:
        empty = fingerprints.extend(_EMPTY, [], hash_documents((), _EMPTY.column("sentences")))
    batches: Iterator[pa.RecordBatch] = (
        batch
        for round_ in fill_groups(
            itertools.chain([empty], blocks), _round_bytes(num_partitions), _num_bytes
        )
        for batch in _partition(round_, num_partitions, seed, counts, fingerprints)
    )
    shards = [write_arrow(path, SENTENCES, batches)]
    if fingerprints is not None:
        shards.append(fingerprints.write())
    if batches_of_rejections := rejections.batches():
        shards.append(write_arrow(rejected_path, REJECTED, batches_of_rejections))
    return shards, counts.to_table()


def _round_bytes(num_partitions: int) -> int:
    """Bytes of text at which a round ends."""
    return max(_ROUND_BYTES, num_partitions * _BATCH_BYTES)


def count_sentences(batch: pa.RecordBatch, partition: int, counts: SentenceCounts) -> None:
    """Count the documents of a batch of one partition."""
    counts.documents_per_partition[partition] += batch.num_rows
    _count_documents(batch, counts)


def counted(batches: Iterable[pa.RecordBatch], counts: SentenceCounts) -> Iterator[pa.RecordBatch]:
    """All batches of a file in order, counted like `count_sentences`, some megabytes at a time."""
    numbered = itertools.count()
    for some in fill_groups(batches, _READ_BYTES, _num_bytes):
        for batch, index in zip(some, numbered):
            counts.documents_per_partition[index % counts.num_partitions] += batch.num_rows
        _count_documents(pa.Table.from_batches(some, SENTENCES), counts)
        yield from some


def count_rejected_file(path: Path, counts: SentenceCounts) -> None:
    """Count all rejections of a file."""
    with open_arrow(path) as reader:
        for index in range(reader.num_record_batches):
            count_rejections(reader.get_batch(index), counts)


def _count_documents(documents: pa.RecordBatch | pa.Table, counts: SentenceCounts) -> None:
    _count_sources(documents, "written", counts)
    texts = pc.list_flatten(documents["sentences"])
    counts.sentences += len(texts)
    counts.text_bytes += pc.sum(pc.binary_length(texts), min_count=0).as_py()


def count_rejections(batch: pa.RecordBatch, counts: SentenceCounts) -> list[tuple[str, int]]:
    """Count a batch of rejections; returns how many have each reason."""
    _count_sources(batch, "rejected", counts)
    reasons = list(_value_counts(batch.column("reason")))
    for reason, count in reasons:
        counts.rejected[reason] += count
    return reasons


def _count_sources(batch: pa.RecordBatch | pa.Table, outcome: str, counts: SentenceCounts) -> None:
    for source, count in _value_counts(batch.column("source")):
        counts.note(source, outcome, count)


def _value_counts(column: pa.StringArray | pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    counted = column.value_counts()
    yield from zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist())


class PoolReader:
    """Reads pools of documents, one after the other, from the sentence files of a stage.

    The first 128 files are opened once and kept open, since opening one takes longer than reading a
    partition of it; all others are opened for each pool, since an open file keeps a table of all
    its batches in memory. `check`: called with each file before it is opened.
    """

    def __init__(
        self,
        files: Sequence[Path],
        num_partitions: int,
        check: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self._files = list(files)
        self._num_partitions = num_partitions
        self._check = check
        self._open: dict[Path, pa.RecordBatchFileReader] = {}

    def read(
        self, first: int, end: int, select: Callable[[pa.Table], pa.Table] = lambda table: table
    ) -> pa.Table:
        """The documents of the partitions [first, end) that `select` keeps, in order of files.

        `select` is called with some megabytes of documents at a time, so that few can be selected
        from many. Raises DataError for a file that is damaged or has other partitions.
        """
        tables = [
            # As one chunk each: selecting rows from hundreds of chunks takes many times as long.
            select(pa.Table.from_batches(some, SENTENCES).combine_chunks())
            for some in fill_groups(self._read_batches(first, end), _READ_BYTES, _buffer_bytes)
        ]
        return pa.concat_tables(tables) if tables else select(SENTENCES.empty_table())

    def _read_batches(self, first: int, end: int) -> Iterator[pa.RecordBatch]:
        for path in self._files:
            with arrow_errors_as_data_errors(path):
                reader = self._open.get(path) or self._open_file(path)
                for start in range(0, reader.num_record_batches, self._num_partitions):
                    yield from map(reader.get_batch, range(start + first, start + end))

    def _open_file(self, path: Path) -> pa.RecordBatchFileReader:
        """Open a file for reading, not as a map, whose touched pages would count as memory."""
        self._check(path)
        reader = pa.ipc.open_file(pa.OSFile(str(path)))
        check_schema(reader.schema, SENTENCES, str(path))
        if reader.num_record_batches % self._num_partitions:
            raise DataError(
                f"{path} has {reader.num_record_batches} batches, "
                f"which is not a multiple of {self._num_partitions}"
            )
        if len(self._open) < _MAX_OPEN_FILES:
            self._open[path] = reader
        return reader


def iterate_sentences(path: Path) -> Iterator[pa.StringArray]:
    """The sentences of one file, some megabytes at a time."""
    with open_arrow(path, mapped=False) as reader:
        check_schema(reader.schema, SENTENCES, str(path))
        batches = map(reader.get_batch, range(reader.num_record_batches))
        sentences = (batch.column("sentences").flatten() for batch in batches)
        yield from map(pa.concat_arrays, fill_groups(sentences, _READ_BYTES, _num_bytes))


def _keep_documents(
    documents: Iterable[Document | Rejection], rejections: _Rejections, counts: SentenceCounts
) -> Iterator[Document]:
    for document in documents:
        if isinstance(document, Document):
            counts.note(document.source, "written")
            counts.lines_dropped += document.lines_dropped
            yield document
        else:
            counts.note(document.source, "rejected")
            counts.rejected[document.reason] += 1
            rejections.add(document)


def _to_batch(
    documents: list[Document], split_all: _SplitAll, fingerprints: FingerprintWriter | None
) -> pa.RecordBatch:
    if documents[0].sentences is None:
        sentences = split_all(pa.array([document.text for document in documents], pa.string()))
    else:
        given = [document.sentences for document in documents]
        sentences = pa.array(given, pa.list_(pa.string()))
    names = ((document.source, document.document) for document in documents)
    hashes = hash_documents(names, sentences)
    columns = [
        pa.array(hashes.document_ids()),
        pa.array([document.source for document in documents], pa.string()),
        pa.array([document.document for document in documents], pa.string()),
        sentences,
    ]
    batch = pa.record_batch(columns, schema=SENTENCES)
    return batch if fingerprints is None else fingerprints.extend(batch, documents, hashes)


def _buffer_bytes(batch: pa.RecordBatch) -> int:
    """Equal to `nbytes` for a batch that was read whole, at a tenth of the cost."""
    return batch.get_total_buffer_size()  # type: ignore[no-any-return]


def _partition(
    blocks: list[pa.RecordBatch],
    num_partitions: int,
    seed: int,
    counts: SentenceCounts,
    fingerprints: FingerprintWriter | None,
) -> Iterator[pa.RecordBatch]:
    """One batch per partition, in order; each of the blocks is already in order.

    Takes a few partitions at a time out of all blocks, so that a round is in memory once, not three
    times.
    """
    edges = np.arange(num_partitions + 1)
    bounds = [np.searchsorted(_partitions_of(b, num_partitions, seed), edges) for b in blocks]
    sizes = np.sum([np.diff(at) for at in bounds], axis=0)
    for first, end in split_evenly(num_partitions, len(blocks)):
        parts = [b.slice(at[first], at[end] - at[first]) for b, at in zip(blocks, bounds)]
        ordered = _in_order(pa.concat_batches(parts), num_partitions, seed)
        sentences = ordered.column("sentences").flatten()
        counts.sentences += len(sentences)
        counts.text_bytes += _text_bytes(sentences)
        if fingerprints is not None:
            ordered = fingerprints.split_off(ordered)
        start = 0
        for partition in range(first, end):
            size = int(sizes[partition])
            counts.documents_per_partition[partition] += size
            yield ordered.slice(start, size)
            start += size
        del parts, sentences, ordered
    blocks.clear()


def _in_order(batch: pa.RecordBatch, num_partitions: int, seed: int) -> pa.RecordBatch:
    """The rows in order of their partitions; within one, their order is unchanged."""
    order = np.argsort(_partitions_of(batch, num_partitions, seed), kind="stable")
    return batch.take(pa.array(order))


def _partitions_of(batch: pa.RecordBatch, num_partitions: int, seed: int) -> Int64Array:
    return assign_partitions(batch.column("document_id").to_numpy(), num_partitions, seed)


def _text_bytes(sentences: pa.StringArray) -> int:
    if not len(sentences):
        return 0
    offsets = np.frombuffer(sentences.buffers()[1], dtype=np.int32)
    return int(offsets[sentences.offset + len(sentences)] - offsets[sentences.offset])


class _Rejections:
    """Rejections so far, packed into batches, since there may be a million."""

    def __init__(self) -> None:
        self._waiting: list[Rejection] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, rejection: Rejection) -> None:
        self._waiting.append(rejection)
        if len(self._waiting) == _REJECTED_ROWS:
            self.batches()

    def batches(self) -> list[pa.RecordBatch]:
        """All rejections so far, in order."""
        self._batches += rejection_batches(self._waiting)
        self._waiting = []
        return self._batches


def rejection_batches(rejections: Sequence[Rejection]) -> Iterator[pa.RecordBatch]:
    """Rejections as batches of a `rejected-*` file."""
    for start in range(0, len(rejections), _REJECTED_ROWS):
        part = rejections[start : start + _REJECTED_ROWS]
        columns = [
            pa.array([getattr(rejection, name) for rejection in part], pa.string())
            for name in REJECTED.names
        ]
        yield pa.record_batch(columns, schema=REJECTED)


_EMPTY = pa.RecordBatch.from_pylist([], schema=SENTENCES)
