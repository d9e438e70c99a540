"""Duplicates among all documents of a run: the first of equal or similar documents is kept.

The first is the first in the order of corpora, file names and places in the files, whichever worker
reads it. Memory: the dropped documents, and some of the hashes at a time (a few bytes per document
of very large corpora); the search for similar documents takes 24 bytes per document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import BoolArray, Int64Array, UInt32Array, UInt64Array, offsets_of
from bertdata.corpus.documents import Reason
from bertdata.corpus.identity import count_repeated_ids
from bertdata.duplicates.minhash import NUM_PLACES, estimate_similarity
from bertdata.storage.schema import REMOVALS
from bertdata.storage.shards import Shard, open_arrow, write_arrow

_PAIRS_AT_ONCE = 1 << 14
_HASHES_AT_ONCE = 150_000
_MAX_BUCKETS = 16  # each reads all fingerprints
_NO_PAIRS: Int64Array = np.empty((0, 2), dtype=np.int64)
_ALL_REPEATED: tuple[Reason, str] = ("duplicate", "all its sentences stood before")


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """Which documents are dropped, and why. Documents are numbered in input order.

    `dropped`: numbers of the dropped documents, ascending. `kept`: for each of them, the number of
    the document kept instead, and `kept_ids` its document_id. `exact`: whether the two are equal,
    not only similar. `starts[u]`: number of the first document of unit u; `starts[-1]`: number of
    documents.
    """

    dropped: Int64Array
    kept: Int64Array
    kept_ids: UInt64Array
    exact: BoolArray
    starts: Int64Array


def find_duplicates(
    fingerprints: Sequence[Path], *, exact: bool, pairs: Iterable[Int64Array] = ()
) -> Duplicates:
    """The documents to drop. `fingerprints`: files of all units in order; `pairs`: similar ones."""
    starts = _starts(fingerprints)
    equal = _find_equal(fingerprints, starts)
    joined = _join(np.concatenate([*([equal] if exact else []), *pairs, _NO_PAIRS]))
    kept, dropped = joined[:, 0], joined[:, 1]
    return Duplicates(
        dropped=dropped,
        kept=kept,
        kept_ids=_read_places(fingerprints, "document_id", starts, kept),
        exact=_first_of(dropped, equal) == kept,
        starts=starts,
    )


def find_similar(fingerprints: Sequence[Path], band: int, similarity: float) -> Int64Array:
    """Pairs (rows: earlier, later) of documents with equal band keys that are similar enough.

    Each document is compared with the first and with the previous document of its band key.
    """
    starts = _starts(fingerprints)
    keys = _read_column(fingerprints, f"band_{band:02d}", starts)
    order = np.argsort(keys, kind="stable")
    is_met = np.zeros(len(order), dtype=np.bool_)
    is_met[1:] = keys[order[1:]] == keys[order[:-1]]
    places = np.arange(len(order))
    first = np.maximum.accumulate(np.where(is_met, 0, places))
    later = places[is_met]
    pairs = np.concatenate(
        [
            np.stack([order[first[later]], order[later]], axis=1),
            np.stack([order[later - 1], order[later]], axis=1),
        ]
    )
    pairs = np.unique(pairs, axis=0)
    return pairs[_are_similar(fingerprints, starts, pairs, similarity)]


def find_repeated_sentences(
    fingerprints: Sequence[Path], duplicates: Duplicates, bucket: int, num_buckets: int
) -> Int64Array:
    """Repetitions of earlier sentences, in kept documents: (document number, place in it).

    Covers the hashes with remainder `bucket` when divided by `num_buckets`.
    """
    found = [
        _bucket_of(batch, start, bucket, num_buckets)
        for path, start in zip(fingerprints, duplicates.starts.tolist())
        for batch in _read_batches(path)
    ]
    if not found:
        return _NO_PAIRS
    hashes, numbers, places = (np.concatenate(parts) for parts in zip(*found))
    kept = ~np.isin(numbers, duplicates.dropped)
    hashes, numbers, places = hashes[kept], numbers[kept], places[kept]
    order = np.lexsort((places, numbers, hashes))
    is_repeat = np.zeros(len(order), dtype=np.bool_)
    is_repeat[1:] = hashes[order[1:]] == hashes[order[:-1]]
    chosen = order[is_repeat]
    return np.stack([numbers[chosen], places[chosen]], axis=1)


def count_hashed_sentences(fingerprints: Sequence[Path]) -> int:
    """How many sentences there are in all documents."""
    batches = (batch for path in fingerprints for batch in _read_batches(path))
    return sum(len(batch.column("sentence_hashes").flatten()) for batch in batches)


def count_repeated_names(
    fingerprints: Sequence[Path], duplicates: Duplicates, repeated: Int64Array
) -> int:
    """`count_repeated_ids` of the kept documents; some names at a time.

    `repeated`: the dropped sentences; a document that loses all its sentences is dropped too.
    """
    starts = duplicates.starts
    dropped = np.concatenate([duplicates.dropped, _emptied(fingerprints, starts, repeated)])
    num_buckets = _count_buckets(starts)
    return sum(
        _repeated_in_bucket(fingerprints, starts, dropped, bucket, num_buckets)
        for bucket in range(num_buckets)
    )


def write_removals(path: Path, duplicates: Duplicates, repeated: Int64Array) -> Shard:
    """Write what is dropped from each unit, one batch of REMOVALS per unit.

    `repeated`: the dropped sentences, from `find_repeated_sentences`, in order of documents.
    """
    units = range(len(duplicates.starts) - 1)
    return write_arrow(path, REMOVALS, (_removals_of(unit, duplicates, repeated) for unit in units))


def read_removals(path: Path, unit: int) -> pa.RecordBatch:
    """What `write_removals` wrote about a unit."""
    with open_arrow(path, mapped=False) as reader:
        return reader.get_batch(unit)


def _repeated_in_bucket(
    fingerprints: Sequence[Path],
    starts: Int64Array,
    dropped: Int64Array,
    bucket: int,
    num_buckets: int,
) -> int:
    """`count_repeated_names` for names with remainder `bucket` when divided by `num_buckets`."""
    columns = ("number", "name_hash", "document_id")
    ids, names = [], []
    for path, start in zip(fingerprints, starts.tolist()):
        for batch in _read_batches(path):
            numbers, hashes, batch_ids = (batch.column(name).to_numpy() for name in columns)
            chosen = hashes % np.uint64(num_buckets) == np.uint64(bucket)
            chosen &= ~np.isin(numbers.astype(np.int64) + start, dropped)
            ids.append(batch_ids[chosen])
            names.append(hashes[chosen])
    return count_repeated_ids(np.concatenate(ids), np.concatenate(names)) if ids else 0


def _emptied(fingerprints: Sequence[Path], starts: Int64Array, repeated: Int64Array) -> Int64Array:
    """The documents all of whose sentences are among the `repeated`."""
    numbers, counts = np.unique(repeated[:, 0], return_counts=True)
    lengths = np.zeros(len(numbers), dtype=np.int64)
    for path, start in zip(fingerprints if len(numbers) else (), starts.tolist()):
        for batch in _read_batches(path):
            found = batch.column("number").to_numpy().astype(np.int64) + start
            places = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
            is_wanted = numbers[places] == found
            sizes = np.diff(np.asarray(batch.column("sentence_hashes").offsets))
            lengths[places[is_wanted]] = sizes[is_wanted]
    emptied: Int64Array = numbers[counts == lengths]
    return emptied


def _bucket_of(
    batch: pa.RecordBatch, start: int, bucket: int, num_buckets: int
) -> tuple[UInt64Array, Int64Array, Int64Array]:
    """Hashes of a batch's sentences, with their documents' numbers and their places in these."""
    lists = batch.column("sentence_hashes")
    offsets = np.asarray(lists.offsets).astype(np.int64)
    hashes = lists.flatten().to_numpy()
    lengths = np.diff(offsets)
    numbers = np.repeat(batch.column("number").to_numpy().astype(np.int64) + start, lengths)
    places = np.arange(len(hashes)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    chosen = (hashes != 0) & (hashes % np.uint64(num_buckets) == np.uint64(bucket))
    return hashes[chosen], numbers[chosen], places[chosen]


def _removals_of(unit: int, duplicates: Duplicates, repeated: Int64Array) -> pa.RecordBatch:
    start, stop = duplicates.starts[unit : unit + 2].tolist()
    dropped = range(*np.searchsorted(duplicates.dropped, [start, stop]).tolist())
    bounds = np.searchsorted(repeated[:, 0], [start, stop])
    places: dict[int, list[int]] = {}
    for number, place in repeated[slice(*bounds)].tolist():
        places.setdefault(number, []).append(place)
    rows = [
        *((int(duplicates.dropped[n]) - start, [], *_why(n, duplicates)) for n in dropped),
        *((number - start, some, *_ALL_REPEATED) for number, some in places.items()),
    ]
    columns = zip(*rows) if rows else [()] * len(REMOVALS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, REMOVALS)]
    return pa.record_batch(arrays, schema=REMOVALS)


def _why(index: int, duplicates: Duplicates) -> tuple[Reason, str]:
    first = int(duplicates.kept_ids[index])
    if duplicates.exact[index]:
        return "duplicate", f"the same text as document_id {first}"
    return "near_duplicate", f"much the same text as document_id {first}"


def _read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The fingerprints of one unit."""
    with open_arrow(path, mapped=False) as reader:
        yield from map(reader.get_batch, range(reader.num_record_batches))


def _starts(fingerprints: Sequence[Path]) -> Int64Array:
    return offsets_of(
        [sum(batch.num_rows for batch in _read_batches(path)) for path in fingerprints]
    )


def _read_column(fingerprints: Sequence[Path], name: str, starts: Int64Array) -> UInt64Array:
    """A column of all files, in input order."""
    values = np.empty(int(starts[-1]), dtype=np.uint64)
    for path, start in zip(fingerprints, starts.tolist()):
        for batch in _read_batches(path):
            numbers = batch.column("number").to_numpy().astype(np.int64) + start
            values[numbers] = batch.column(name).to_numpy()
    return values


def _read_places(
    fingerprints: Sequence[Path], name: str, starts: Int64Array, numbers: Int64Array
) -> UInt64Array:
    """The value of a column for each of these documents."""
    wanted = np.unique(numbers)
    values = np.empty(len(wanted), dtype=np.uint64)
    for path, start, stop in zip(fingerprints, starts[:-1].tolist(), starts[1:].tolist()):
        first, end = np.searchsorted(wanted, [start, stop])
        if first < end:
            column = _read_column([path], name, np.array([0, stop - start]))
            values[first:end] = column[wanted[first:end] - start]
    return values[np.searchsorted(wanted, numbers)]


def _find_equal(fingerprints: Sequence[Path], starts: Int64Array) -> Int64Array:
    """Pairs (rows: the first, another) of equal documents; some hashes at a time."""
    num_buckets = _count_buckets(starts)
    found = [
        _equal_in_bucket(fingerprints, starts, bucket, num_buckets) for bucket in range(num_buckets)
    ]
    return np.concatenate(found)


def _count_buckets(starts: Int64Array) -> int:
    return min(1 + int(starts[-1]) // _HASHES_AT_ONCE, _MAX_BUCKETS)


def _equal_in_bucket(
    fingerprints: Sequence[Path], starts: Int64Array, bucket: int, num_buckets: int
) -> Int64Array:
    """`_find_equal` for hashes with remainder `bucket` when divided by `num_buckets`."""
    parts = [
        _hashes_of(batch, start, bucket, num_buckets)
        for path, start in zip(fingerprints, starts.tolist())
        for batch in _read_batches(path)
    ]
    if not parts:
        return _NO_PAIRS
    numbers, high, low = (np.concatenate(columns) for columns in zip(*parts))
    some = _repeated(high)
    order = some[np.lexsort((numbers[some], low[some], high[some]))]
    numbers, high, low = numbers[order], high[order], low[order]
    is_repeat = np.zeros(len(order), dtype=np.bool_)
    is_repeat[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    first = np.maximum.accumulate(np.where(is_repeat, 0, np.arange(len(order))))
    return np.stack([numbers[first[is_repeat]], numbers[is_repeat]], axis=1)


def _repeated(values: UInt64Array) -> Int64Array:
    """The places of values that occur more than once: few, and quick to find."""
    order = np.argsort(values)
    found = np.zeros(len(order), dtype=np.bool_)
    found[1:] = values[order[1:]] == values[order[:-1]]
    found[:-1] |= found[1:]
    places: Int64Array = order[found]
    return places


def _hashes_of(
    batch: pa.RecordBatch, start: int, bucket: int, num_buckets: int
) -> tuple[Int64Array, UInt64Array, UInt64Array]:
    """Numbers of the documents of a batch that are in a bucket, both halves of their hashes."""
    numbers, high, low = (
        batch.column(name).to_numpy() for name in ("number", "hash_high", "hash_low")
    )
    chosen = high % np.uint64(num_buckets) == np.uint64(bucket)
    return numbers[chosen].astype(np.int64) + start, high[chosen], low[chosen]


def _first_of(numbers: Int64Array, equal: Int64Array) -> Int64Array:
    """For each document, the first document equal to it, which may be itself."""
    if not len(equal):
        return numbers
    equal = equal[np.argsort(equal[:, 1])]
    places = np.minimum(np.searchsorted(equal[:, 1], numbers), len(equal) - 1)
    return np.where(equal[places, 1] == numbers, equal[places, 0], numbers)


def _join(pairs: Int64Array) -> Int64Array:
    """Join the documents of all pairs into groups: (first of a group, another) for each other one.

    `kept[i]` is the earliest document known to be in i's group. Each round passes the smaller value
    along every pair and then shortens the chains, until nothing changes.
    """
    numbers, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    kept = np.arange(len(numbers))
    changed = True
    while changed:
        first, second = kept[places[:, 0]], kept[places[:, 1]]
        smaller = np.minimum(first, second)
        before = kept.copy()
        np.minimum.at(kept, first, smaller)
        np.minimum.at(kept, second, smaller)
        while (shorter := kept[kept] != kept).any():
            kept[shorter] = kept[kept[shorter]]
        changed = bool((before != kept).any())
    is_dropped = kept != np.arange(len(kept))
    return np.stack([numbers[kept[is_dropped]], numbers[is_dropped]], axis=1)


def _are_similar(
    fingerprints: Sequence[Path], starts: Int64Array, pairs: Int64Array, similarity: float
) -> BoolArray:
    rows = _Rows(fingerprints, starts)
    similar = np.zeros(len(pairs), dtype=np.bool_)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        first, second = rows.signatures(some[:, 0]), rows.signatures(some[:, 1])
        similar[start : start + len(some)] = estimate_similarity(first, second) >= similarity
    return similar


class _Rows:
    """Finds signatures by document number; the files are mapped once and kept open."""

    def __init__(self, fingerprints: Sequence[Path], starts: Int64Array) -> None:
        self._paths = fingerprints
        self._starts = starts
        self._tables: dict[int, tuple[pa.Table, Int64Array]] = {}

    def signatures(self, numbers: Int64Array) -> UInt32Array:
        found = np.empty((len(numbers), NUM_PLACES), dtype=np.uint32)
        units = np.searchsorted(self._starts, numbers, side="right") - 1
        for unit in np.unique(units).tolist():
            table, row_of = self._table(unit)
            where = np.flatnonzero(units == unit)
            rows = row_of[numbers[where] - self._starts[unit]]
            lists = table["signature"].take(pa.array(rows)).combine_chunks()
            flat = lists.flatten().to_numpy()
            found[where] = flat.reshape(-1, NUM_PLACES)
        return found

    def _table(self, unit: int) -> tuple[pa.Table, Int64Array]:
        if unit not in self._tables:
            source = pa.memory_map(str(self._paths[unit]))
            table = pa.ipc.open_file(source).read_all().select(["number", "signature"])
            numbers = table["number"].to_numpy().astype(np.int64)
            row_of = np.empty(len(numbers), dtype=np.int64)
            row_of[numbers] = np.arange(len(numbers))
            self._tables[unit] = table, row_of
        return self._tables[unit]
