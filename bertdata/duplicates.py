"""Duplicates among all documents of a run: of equal or similar ones the first read stays.

First means by the order of corpora, their files' names and places in these, whichever worker came
to them first. Memory: some 40 bytes a document, 24 more for each pair of similar ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bertdata.documents import Reason, Rejection
from bertdata.minhash import NUM_PLACES, estimate_similarity
from bertdata.randomness import UInt64Array
from bertdata.schema import REJECTED, SENTENCES
from bertdata.sentence_files import rejection_batches
from bertdata.shards import Shard, open_arrow, write_arrow

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_PAIRS_AT_ONCE = 1 << 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """For each document in input order: the number of the one that stays in its place.

    `stays[n] == n`: document n stays. `exact[n]`: it is equal to the one that stays, not similar.
    `ids[n]`: its document_id. `starts[u]`: the number of unit u's first document; one
    more at the end.
    """

    stays: Int64Array
    exact: BoolArray
    ids: UInt64Array
    starts: Int64Array

    def in_unit(self, unit: int) -> slice:
        """The numbers of a unit's documents."""
        return slice(int(self.starts[unit]), int(self.starts[unit + 1]))

    def any_in_unit(self, unit: int) -> bool:
        """Whether a document of the unit goes."""
        numbers = self.in_unit(unit)
        return bool((self.stays[numbers] != np.arange(numbers.start, numbers.stop)).any())


def find_duplicates(
    fingerprints: Sequence[Path], *, exact: bool, pairs: Iterable[Int64Array] = ()
) -> Duplicates:
    """Which documents go. `fingerprints`: files of all units in order; `pairs`: similar ones."""
    starts = _starts(fingerprints)
    high, low = (_read_column(fingerprints, name, starts) for name in ("hash_high", "hash_low"))
    equal = _first_of_equal(high, low)
    stays = equal if exact else np.arange(starts[-1], dtype=np.int64)
    for some in pairs:
        stays = _join(stays, some)
    ids = _read_column(fingerprints, "document_id", starts)
    return Duplicates(stays=stays, exact=equal == stays, ids=ids, starts=starts)


def find_similar(fingerprints: Sequence[Path], band: int, similarity: float) -> Int64Array:
    """Pairs (rows: earlier, later) of documents that meet in a band and are as similar as wanted.

    Each is compared with the first and the previous that it meets.
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
    """Sentences that stood before in a document that stays: (document number, place in it).

    Of all hashes those are looked at that give `bucket` when divided by `num_buckets`.
    """
    found: list[tuple[UInt64Array, Int64Array, Int64Array]] = []
    for path, start in zip(fingerprints, duplicates.starts.tolist()):
        with open_arrow(path) as reader:
            batches = map(reader.get_batch, range(reader.num_record_batches))
            found += [_bucket_of(batch, start, bucket, num_buckets) for batch in batches]
    hashes, numbers, places = (np.concatenate(parts) for parts in zip(*found))
    stays = duplicates.stays[numbers] == numbers
    hashes, numbers, places = hashes[stays], numbers[stays], places[stays]
    order = np.lexsort((places, numbers, hashes))
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = hashes[order[1:]] == hashes[order[:-1]]
    chosen = order[again]
    return np.stack([numbers[chosen], places[chosen]], axis=1)


def count_hashed_sentences(fingerprints: Sequence[Path]) -> int:
    """How many sentences there are in all documents."""
    total = 0
    for path in fingerprints:
        with open_arrow(path) as reader:
            for index in range(reader.num_record_batches):
                total += len(reader.get_batch(index).column("sentence_hashes").flatten())
    return total


def write_kept(
    draft: Path,
    path: Path,
    unit: int,
    duplicates: Duplicates,
    fingerprints: Path,
    repeated: Int64Array,
) -> tuple[Shard, list[Rejection]]:
    """Write a unit's file of sentences without the documents that go, and why these go.

    `repeated`: sentences of the unit that go too, as `find_repeated_sentences` gives them; with
    its last sentence a document goes.
    """
    rejections: list[Rejection] = []
    with open_arrow(draft) as reader, open_arrow(fingerprints) as details:
        table = details.read_all().select(["number", "place"])
        numbers = table["number"].to_numpy().astype(np.int64) + int(duplicates.starts[unit])
        stays = duplicates.stays[numbers] == numbers
        gone = _by_document(repeated)
        is_changed = ~stays | np.isin(numbers, repeated[:, 0])

        def without(batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
            rows = slice(start, start + batch.num_rows)
            batch = _without_sentences(batch, [gone.get(n) for n in numbers[rows].tolist()])
            has_sentences = np.diff(np.asarray(batch.column("sentences").offsets)) > 0
            mask = stays[rows] & has_sentences
            for row in np.flatnonzero(~mask).tolist():
                place = table["place"][start + row].as_py()
                number = int(numbers[start + row])
                rejections.append(_reject(batch, row, place, number, duplicates))
            return batch.filter(pa.array(mask))

        def kept() -> Iterator[pa.RecordBatch]:
            start = 0
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                stop = start + batch.num_rows
                yield without(batch, start) if is_changed[start:stop].any() else batch
                start = stop

        shard = write_arrow(path, SENTENCES, kept())
    return shard, rejections


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


def _by_document(repeated: Int64Array) -> dict[int, list[int]]:
    places: dict[int, list[int]] = {}
    for number, place in repeated.tolist():
        places.setdefault(number, []).append(place)
    return places


def _without_sentences(batch: pa.RecordBatch, gone: list[list[int] | None]) -> pa.RecordBatch:
    """The batch without the sentences at these places of each row."""
    if not any(gone):
        return batch
    lists = batch.column("sentences")
    offsets = np.asarray(lists.offsets).astype(np.int64)
    offsets -= offsets[0]
    keep = np.ones(int(offsets[-1]), dtype=np.bool_)
    for row, places in enumerate(gone):
        keep[offsets[row] + np.array(places or [], dtype=np.int64)] = False
    left = np.concatenate([[0], np.cumsum(keep)])[offsets].astype(np.int32)
    values = lists.flatten().filter(pa.array(keep))
    columns = [*batch.columns[:-1], pa.ListArray.from_arrays(pa.array(left), values)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _reject(
    batch: pa.RecordBatch, row: int, place: str, number: int, duplicates: Duplicates
) -> Rejection:
    reason, why = _why(number, duplicates)
    return Rejection(
        source=batch.column("source")[row].as_py(),
        document=batch.column("document")[row].as_py(),
        reason=reason,
        detail=f"{place}: {why}" if place else why,
    )


def _why(number: int, duplicates: Duplicates) -> tuple[Reason, str]:
    stays = int(duplicates.stays[number])
    if stays == number:
        return "duplicate", "all its sentences stood before"
    if duplicates.exact[number]:
        return "duplicate", f"the same text as document_id {int(duplicates.ids[stays])}"
    return "near_duplicate", f"much the same text as document_id {int(duplicates.ids[stays])}"


def _starts(fingerprints: Sequence[Path]) -> Int64Array:
    counts = []
    for path in fingerprints:
        with open_arrow(path) as reader:
            batches = (reader.get_batch(n) for n in range(reader.num_record_batches))
            counts.append(sum(batch.num_rows for batch in batches))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _read_column(fingerprints: Sequence[Path], name: str, starts: Int64Array) -> UInt64Array:
    """A column of all files, in input order."""
    values = np.empty(int(starts[-1]), dtype=np.uint64)
    for path, start in zip(fingerprints, starts.tolist()):
        with open_arrow(path) as reader:
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                numbers = batch.column("number").to_numpy().astype(np.int64) + start
                values[numbers] = batch.column(name).to_numpy()
    return values


def _first_of_equal(high: UInt64Array, low: UInt64Array) -> Int64Array:
    """For each document the first with its hash."""
    order = np.lexsort((low, high))  # stable: equal ones stay in input order
    high, low = high[order], low[order]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    first = np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))
    stays = np.empty(len(order), dtype=np.int64)
    stays[order] = order[first]
    return stays


def _join(stays: Int64Array, pairs: Int64Array) -> Int64Array:
    """Let the groups of each pair be one, whose first document stays."""
    stays = stays.copy()
    changed = len(pairs) > 0
    while changed:
        first, second = stays[pairs[:, 0]], stays[pairs[:, 1]]
        least = np.minimum(first, second)
        before = stays.copy()
        np.minimum.at(stays, first, least)
        np.minimum.at(stays, second, least)
        while (shorter := stays[stays] != stays).any():
            stays[shorter] = stays[stays[shorter]]
        changed = bool((before != stays).any())
    return stays


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
    """Finds signatures by the numbers of documents, in files that stay mapped."""

    def __init__(self, fingerprints: Sequence[Path], starts: Int64Array) -> None:
        self._paths = fingerprints
        self._starts = starts
        self._tables: dict[int, tuple[pa.Table, Int64Array]] = {}

    def signatures(self, numbers: Int64Array) -> npt.NDArray[np.uint32]:
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


def merge_rejections(path: Path, draft: Path, rejections: Sequence[Rejection]) -> Shard:
    """One file of the rejections in a draft, if it is there, and of those that came later."""
    with contextlib.ExitStack() as stack:
        batches = []
        if draft.exists():
            reader = stack.enter_context(open_arrow(draft))
            batches = [reader.get_batch(index) for index in range(reader.num_record_batches)]
        return write_arrow(path, REJECTED, [*batches, *rejection_batches(rejections)])
