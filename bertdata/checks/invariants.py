"""Rules that every row of sentences and examples keeps, checked for a whole batch at once.

Shape suffixes: B rows of the batch, T pieces of all rows, N predictions of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import AnyArray, BoolArray, Int64Array, UInt64Array
from bertdata.corpus.identity import DocumentHashes
from bertdata.corpus.partitions import assign_partitions, choose_validation
from bertdata.examples.masking import prediction_limits
from bertdata.reference.config import MaskingConfig
from bertdata.tokens.vocabulary import SpecialIds


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Rows that break a rule: the rule, the first such row, its value, the number of rows."""

    rule: str
    row: int
    value: str
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleRules:
    """The settings that examples were made with. `masking`: None if the reader masks."""

    max_seq_length: int
    next_sentence: bool
    masking: MaskingConfig | None
    special: SpecialIds
    vocabulary_size: int


def check_examples(batch: pa.RecordBatch, rules: ExampleRules) -> list[Fault]:
    """The rules that rows of `examples/` break; if their shape is wrong, only rules of shape."""
    rows = _view(batch)
    # The other rules look pieces up by position, so the positions must be valid.
    return list(_check_shape(rows, rules)) or [
        *_check_pieces(rows, rules),
        *_check_predictions(rows, rules),
        *_check_labels(rows, rules),
    ]


def check_sentences(
    batch: pa.RecordBatch,
    *,
    partition: int,
    num_partitions: int,
    seed: int,
    hashes: DocumentHashes,
    is_whole: bool = True,
) -> list[Fault]:
    """The rules that rows of one batch of `sentences/` break; the batch holds one partition.

    `hashes`: of the rows. `is_whole`: no sentences were dropped from documents. Ids are hashes of
    the complete texts, so they can be checked only then.
    """
    ids = batch.column("document_id").to_numpy()
    is_wrong = (hashes.document_ids() != ids) & is_whole
    partitions = assign_partitions(ids, num_partitions, seed)
    offsets = np.asarray(batch.column("sentences").offsets).astype(np.int64)
    texts = batch.column("sentences").flatten()
    is_blank = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    where = f"is in partition {partition} but belongs in"
    return [
        *row_faults("document_id is not the hash of its source, document and text:", is_wrong, ids),
        *row_faults(where, partitions != partition, partitions),
        *row_faults("has a number of sentences of", np.diff(offsets) == 0, np.diff(offsets)),
        *_flat_faults("has an empty sentence, number", is_blank.to_numpy(False), offsets),
    ]


def check_documents(
    ids: UInt64Array,
    *,
    held_out: bool,
    fraction: float,
    seed: int,
    known: UInt64Array | None,
) -> list[Fault]:
    """Check that the documents of examples belong to their split and are `known` (sorted ids)."""
    chosen = choose_validation(ids, fraction, seed)
    faults = list(row_faults("belongs to the other split: document", chosen != held_out, ids))
    if known is not None:
        unknown = ~_is_in(ids, known)
        faults += row_faults("is of no document in sentences/:", unknown, ids)
    return faults


def _is_in(ids: UInt64Array, known: UInt64Array) -> BoolArray:
    if not len(known):
        return np.zeros(len(ids), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[places] == ids)


@dataclass(frozen=True, slots=True)
class _Lists:
    """A list column: row b is values[offsets[b]:offsets[b + 1]], offsets from 0 on."""

    values: AnyArray
    offsets: Int64Array

    @property
    def lengths(self) -> Int64Array:
        return np.diff(self.offsets)

    @property
    def starts(self) -> Int64Array:
        return self.offsets[:-1]

    @property
    def rows(self) -> Int64Array:
        """The row of each value."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)


@dataclass(frozen=True, slots=True)
class _Rows:
    pieces: _Lists
    positions: _Lists
    originals: _Lists
    b_starts: Int64Array
    labels: Int64Array


def _view(batch: pa.RecordBatch) -> _Rows:
    return _Rows(
        _lists(batch.column("input_ids")),
        _lists(batch.column("masked_lm_positions")),
        _lists(batch.column("masked_lm_ids")),
        batch.column("segment_b_start").to_numpy().astype(np.int64),
        batch.column("next_sentence_label").to_numpy().astype(np.int64),
    )


def _lists(column: pa.ListArray) -> _Lists:
    offsets = np.asarray(column.offsets).astype(np.int64)
    return _Lists(np.asarray(column.values)[offsets[0] : offsets[-1]], offsets - offsets[0])


def _check_shape(rows: _Rows, rules: ExampleRules) -> Iterator[Fault]:
    lengths = rows.pieces.lengths
    min_pieces = 5 if rules.next_sentence else 3
    yield from row_faults(f"has fewer than {min_pieces} pieces:", lengths < min_pieces, lengths)
    too_long = lengths > rules.max_seq_length
    yield from row_faults(f"has more than {rules.max_seq_length} pieces:", too_long, lengths)
    if rules.next_sentence:
        no_place = (rows.b_starts < 3) | (rows.b_starts > lengths - 2)
        yield from row_faults(
            "leaves no room for A or B; segment_b_start is", no_place, rows.b_starts
        )
    else:
        has_b = rows.b_starts != lengths
        yield from row_faults("is not a single segment; segment_b_start is", has_b, rows.b_starts)
    counts = rows.positions.lengths
    unequal = counts != rows.originals.lengths
    yield from row_faults(
        "has more or fewer masked_lm_ids than masked_lm_positions:", unequal, counts
    )
    outside = rows.positions.values >= lengths[rows.positions.rows]
    yield from _flat_faults(
        "predicts beyond its end, at", outside, rows.positions.offsets, rows.positions.values
    )


def _check_pieces(rows: _Rows, rules: ExampleRules) -> Iterator[Fault]:
    pieces, special = rows.pieces, rules.special
    for lists in (pieces, rows.originals):
        unknown = lists.values >= rules.vocabulary_size
        text = f"has a piece beyond the {rules.vocabulary_size} of the vocabulary:"
        yield from _flat_faults(text, unknown, lists.offsets, lists.values)
    first = pieces.values[pieces.starts]
    yield from row_faults(
        f"does not begin with [CLS] {special.cls} but with", first != special.cls, first
    )
    for name, places in _separators(rows):
        found = pieces.values[places]
        text = f"has no [SEP] {special.sep} {name} but"
        yield from row_faults(text, found != special.sep, found)
    inside = np.isin(pieces.values, _structural(special))
    for places in (pieces.starts, *(places for _, places in _separators(rows)), _predicted(rows)):
        inside[places] = False
    text = "has a special piece where none is predicted:"
    yield from _flat_faults(text, inside, pieces.offsets, pieces.values)


def _check_predictions(rows: _Rows, rules: ExampleRules) -> Iterator[Fault]:
    positions, originals = rows.positions, rows.originals
    row = positions.rows
    falls = np.zeros(len(row), dtype=np.bool_)
    falls[1:] = (np.diff(positions.values.astype(np.int64)) <= 0) & (row[1:] == row[:-1])
    text = "has masked_lm_positions that do not ascend, at"
    yield from _flat_faults(text, falls, positions.offsets, positions.values)
    on_frame = positions.values == 0
    on_frame |= positions.values == (rows.b_starts - 1)[row]
    on_frame |= positions.values == (rows.pieces.lengths - 1)[row]
    text = "predicts [CLS] or [SEP], at"
    yield from _flat_faults(text, on_frame, positions.offsets, positions.values)
    is_special = np.isin(originals.values, _structural(rules.special))
    text = "predicts a special piece:"
    yield from _flat_faults(text, is_special, originals.offsets, originals.values)
    yield from _check_number(rows, rules)


def _check_number(rows: _Rows, rules: ExampleRules) -> Iterator[Fault]:
    found = rows.positions.lengths
    if rules.masking is None:
        yield from row_faults(
            "is masked, though masking is dynamic; predictions:", found > 0, found
        )
        return
    lengths = rows.pieces.lengths
    candidates = lengths - 2 - (rows.b_starts < lengths)
    wanted = np.minimum(prediction_limits(lengths, rules.masking), candidates)
    # A whole word that exceeds the limit is skipped, so there may be fewer predictions.
    is_wrong = found > wanted if rules.masking.whole_word_mask else found != wanted
    yield from row_faults("has a wrong number of predictions:", is_wrong, found)


def _check_labels(rows: _Rows, rules: ExampleRules) -> Iterator[Fault]:
    max_label = 1 if rules.next_sentence else 0
    yield from row_faults("has next_sentence_label", rows.labels > max_label, rows.labels)


def _separators(rows: _Rows) -> tuple[tuple[str, Int64Array], ...]:
    """The places of [SEP] in the flat pieces: after A, and at the end."""
    return (
        ("after A", rows.pieces.starts + rows.b_starts - 1),
        ("at its end", rows.pieces.offsets[1:] - 1),
    )


def _predicted(rows: _Rows) -> Int64Array:
    return rows.pieces.starts[rows.positions.rows] + rows.positions.values.astype(np.int64)


def _structural(special: SpecialIds) -> list[int]:
    """The pieces that cannot come from text; [UNK] can."""
    return [special.pad, special.cls, special.sep, special.mask]


def row_faults(rule: str, is_bad: AnyArray, values: AnyArray) -> Iterator[Fault]:
    """The fault of the rows where `is_bad`, with the first one's value; none if no row is bad."""
    rows = np.flatnonzero(is_bad)
    if rows.size:
        yield Fault(rule=rule, row=int(rows[0]), value=str(values[rows[0]]), rows=len(rows))


def _flat_faults(
    rule: str,
    is_bad: AnyArray,
    offsets: Int64Array,
    values: AnyArray | None = None,
) -> Iterator[Fault]:
    """Like `row_faults`, for values within rows; without `values`, shows the place in the row."""
    places = np.flatnonzero(is_bad)
    if not places.size:
        return
    rows = np.searchsorted(offsets, places, side="right") - 1
    value = places[0] - offsets[rows[0]] if values is None else values[places[0]]
    yield Fault(rule=rule, row=int(rows[0]), value=str(value), rows=len(np.unique(rows)))
