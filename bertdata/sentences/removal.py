"""Files of sentences without duplicate documents and repeated sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import BoolArray, Int64Array, offsets_of
from bertdata.corpus.documents import Rejection
from bertdata.sentences.files import SentenceCounts, counted, rejection_batches
from bertdata.storage.schema import REJECTED, SENTENCES
from bertdata.storage.shards import Shard, open_arrow, write_arrow


def write_kept(
    draft: Path, path: Path, fingerprints: Path, removals: pa.RecordBatch, counts: SentenceCounts
) -> tuple[Shard, list[Rejection]]:
    """Write a unit's file of sentences without duplicates; also returns the dropped documents.

    `draft`, `fingerprints`: files of the unit. `removals`: from
    `bertdata.duplicates.find.write_removals`; a document that loses its last sentence is dropped.
    `counts`: counts what is kept.
    """
    removal = _Removal(fingerprints, removals)
    with open_arrow(draft, mapped=False) as reader:
        shard = write_arrow(path, SENTENCES, counted(removal.filter(reader), counts))
    return shard, removal.rejections


def merge_rejections(path: Path, draft: Path, rejections: Sequence[Rejection]) -> Shard:
    """Write the rejections of a draft, if it exists, and later ones to one file."""
    with contextlib.ExitStack() as stack:
        batches = []
        if draft.exists():
            reader = stack.enter_context(open_arrow(draft))
            batches = [reader.get_batch(index) for index in range(reader.num_record_batches)]
        return write_arrow(path, REJECTED, [*batches, *rejection_batches(rejections)])


class _Removal:
    """Drops duplicates from a unit's batches; `rejections`: the documents dropped so far."""

    def __init__(self, fingerprints: Path, removals: pa.RecordBatch) -> None:
        with open_arrow(fingerprints) as reader:
            table = reader.read_all().select(["number", "place"])
        self._places = table["place"]
        numbers = table["number"].to_numpy()
        self._removals = removals
        removal_of_number = np.full(len(numbers), -1, dtype=np.int64)
        removal_of_number[removals.column("number").to_numpy()] = np.arange(len(removals))
        # For each row of the unit's file, its row in the removals; -1 if it has none.
        self._removal_of = removal_of_number[numbers]
        self.rejections: list[Rejection] = []

    def filter(self, reader: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
        """The batches of the unit's file without what is dropped."""
        start = 0
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            found = self._removal_of[start : start + len(batch)]
            yield self._without(batch, found, start) if (found >= 0).any() else batch
            start += len(batch)

    def _without(self, batch: pa.RecordBatch, removal_of: Int64Array, start: int) -> pa.RecordBatch:
        rows = np.flatnonzero(removal_of >= 0)
        places = self._removals.column("places").take(pa.array(removal_of[rows])).to_pylist()
        batch = _without_sentences(batch, dict(zip(rows.tolist(), places)))
        num_left = np.diff(np.asarray(batch.column("sentences").offsets))
        is_kept = np.ones(len(batch), dtype=np.bool_)
        is_kept[rows] = [bool(some) for some in places] & (num_left[rows] > 0)
        for row in np.flatnonzero(~is_kept).tolist():
            self.rejections.append(self._reject(batch, row, int(removal_of[row]), start + row))
        return batch.filter(pa.array(is_kept))

    def _reject(self, batch: pa.RecordBatch, row: int, removal: int, place: int) -> Rejection:
        where, why = self._places[place].as_py(), self._removals.column("detail")[removal].as_py()
        return Rejection(
            source=batch.column("source")[row].as_py(),
            document=batch.column("document")[row].as_py(),
            reason=self._removals.column("reason")[removal].as_py(),
            detail=f"{where}: {why}" if where else why,
        )


def _without_sentences(batch: pa.RecordBatch, dropped: dict[int, list[int]]) -> pa.RecordBatch:
    """The batch without the sentences at these places of these rows."""
    if not any(dropped.values()):
        return batch
    lists = batch.column("sentences")
    offsets = np.asarray(lists.offsets).astype(np.int64)
    offsets -= offsets[0]
    keep: BoolArray = np.ones(int(offsets[-1]), dtype=np.bool_)
    for row, places in dropped.items():
        keep[offsets[row] + np.array(places, dtype=np.int64)] = False
    left = offsets_of(keep)[offsets].astype(np.int32)
    values = lists.flatten().filter(pa.array(keep))
    columns = [*batch.columns[:-1], pa.ListArray.from_arrays(pa.array(left), values)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
