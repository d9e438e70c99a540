"""Counts of finished examples."""

from __future__ import annotations

import pyarrow as pa

from bertdata.examples.statistics import (
    NUM_LENGTHS,
    add_counts,
    count_examples,
    describe_examples,
    with_shares,
)
from bertdata.storage.schema import examples_schema

MASK = 4


def batch() -> pa.RecordBatch:
    """Two examples, with one [MASK], one unchanged and one replaced piece."""
    rows = [
        {
            "input_ids": [2, MASK, 11, 3, 12, 3],
            "segment_b_start": 4,
            "masked_lm_positions": [1, 2],
            "masked_lm_ids": [10, 11],
            "next_sentence_label": 1,
        },
        {
            "input_ids": [2, 20, 3, 13, 3],
            "segment_b_start": 3,
            "masked_lm_positions": [1],
            "masked_lm_ids": [21],
            "next_sentence_label": 0,
        },
    ]
    tables = [{**row, "document_id": number} for number, row in enumerate(rows)]
    return pa.RecordBatch.from_pylist(tables, schema=examples_schema(100))


def test_pieces_and_predictions_are_counted() -> None:
    counts = count_examples(batch(), MASK)
    assert len(counts["lengths"]) == NUM_LENGTHS
    assert (counts["lengths"][5], counts["lengths"][6]) == (1, 1)
    wanted = {"examples": 2, "pieces": 11, "predicted": 3, "masked": 1, "kept": 1, "replaced": 1}
    assert {name: counts.get(name) for name in wanted} == wanted
    assert counts["random_next"] == 1
    # The same rows of a longer batch.
    sliced = pa.Table.from_batches([batch(), batch()]).combine_chunks().to_batches()[0].slice(1, 2)
    assert count_examples(sliced, MASK) == counts


def test_counts_add_up_in_nested_tables_and_lists() -> None:
    first = {"a": 1, "b": {"c": [1, 2]}}
    assert add_counts([first, {"a": 2, "b": {"c": [3, 4]}, "d": 5}]) == {
        "a": 3,
        "b": {"c": [4, 6]},
        "d": 5,
    }
    assert first == {"a": 1, "b": {"c": [1, 2]}}
    assert add_counts([]) == {}


def test_shares_are_of_pieces_predictions_and_examples() -> None:
    counts = count_examples(batch(), MASK)
    shares = describe_examples(counts, max_seq_length=10)
    assert shares["predicted"] == 3 / 11
    assert shares["masked"] == 1 / 3
    assert shares["random_next"] == 0.5
    assert shares["mean_length"] == 5.5
    assert shares["padding"] == 1 - 11 / 20
    assert with_shares(counts, 10)["shares"]["masked"] == 0.333333


def test_a_mask_that_was_one_before_counts_once() -> None:
    """A random piece may be [MASK], and be kept or hidden."""
    row = {
        "input_ids": [2, MASK, 11, 3],
        "segment_b_start": 4,
        "masked_lm_positions": [1, 2],
        "masked_lm_ids": [MASK, 11],
        "next_sentence_label": 0,
        "document_id": 1,
    }
    counts = count_examples(pa.RecordBatch.from_pylist([row], examples_schema(50)), MASK)
    assert (counts["masked"], counts["kept"], counts["replaced"]) == (1, 1, 0)
