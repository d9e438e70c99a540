"""Statistics of finished examples: shares, lengths, padding.

Counts are nested tables of integers, so that the counts of several shards can be added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from bertdata.config import Table
from bertdata.storage.schema import MAX_PIECES

NUM_LENGTHS = MAX_PIECES + 1


class ExampleCounts(TypedDict):
    """What `count_examples` counts."""

    examples: int
    pieces: int
    predicted: int
    masked: int
    kept: int
    replaced: int
    random_next: int
    lengths: list[int]


def count_examples(batch: pa.RecordBatch, mask_id: int) -> ExampleCounts:
    """Count the rows of an examples batch.

    `pieces` includes [CLS] and [SEP]; `predicted` = `masked` (now [MASK]) + `kept` (unchanged) +
    `replaced` (now another piece); `lengths[n]`: number of examples with n pieces.
    """
    input_ids = batch.column("input_ids")
    starts = np.asarray(input_ids.offsets)[:-1].astype(np.int64)
    lengths = np.diff(np.asarray(input_ids.offsets))
    pieces = np.asarray(input_ids.values)
    predictions = batch.column("masked_lm_positions")
    per_example = np.diff(np.asarray(predictions.offsets))
    positions = batch.column("masked_lm_positions").flatten().to_numpy()
    originals = batch.column("masked_lm_ids").flatten().to_numpy()
    shown = pieces[np.repeat(starts, per_example) + positions]
    masked = int((shown == mask_id).sum())
    kept = int(((shown == originals) & (shown != mask_id)).sum())
    return {
        "examples": batch.num_rows,
        "pieces": int(lengths.sum()),
        "predicted": len(shown),
        "masked": masked,
        "kept": kept,
        "replaced": len(shown) - masked - kept,
        "random_next": int(np.asarray(batch.column("next_sentence_label")).sum()),
        "lengths": np.bincount(lengths, minlength=NUM_LENGTHS).tolist(),
    }


def no_examples() -> ExampleCounts:
    """The counts of nothing."""
    return {
        "examples": 0,
        "pieces": 0,
        "predicted": 0,
        "masked": 0,
        "kept": 0,
        "replaced": 0,
        "random_next": 0,
        "lengths": [0] * NUM_LENGTHS,
    }


def add_counts(tables: Iterable[Table]) -> Table:
    """Add tables of counts key by key; lists element by element, nested tables recursively."""
    total: dict[str, object] = {}
    for table in tables:
        for key, value in table.items():
            total[key] = _add(total[key], value) if key in total else value
    return total


def describe_examples(counts: Table, max_seq_length: int) -> dict[str, float]:
    """Shares in [0, 1] from `count_examples`' counts; mean length in pieces.

    `predicted`: share of all pieces. `masked`, `kept`, `replaced`: shares of the predicted pieces.
    `random_next`: share of the examples. `padding`: share of all places if every example were
    padded to `max_seq_length`.
    """
    examples, pieces, predicted = (
        max(1, counts[key]) for key in ("examples", "pieces", "predicted")
    )
    return {
        "predicted": counts["predicted"] / pieces,
        "masked": counts["masked"] / predicted,
        "kept": counts["kept"] / predicted,
        "replaced": counts["replaced"] / predicted,
        "random_next": counts["random_next"] / examples,
        "mean_length": counts["pieces"] / examples,
        "padding": 1 - counts["pieces"] / (examples * max_seq_length),
    }


def with_shares(counts: Table, max_seq_length: int) -> Table:
    """The counts of a split with its measured shares beside them, rounded to six digits."""
    shares = describe_examples(counts, max_seq_length)
    return {**counts, "shares": {name: round(share, 6) for name, share in shares.items()}}


def _add(left: Any, right: Any) -> object:
    if isinstance(left, Mapping):
        return add_counts([left, right])
    if isinstance(left, list):
        return [a + b for a, b in zip(left, right, strict=True)]
    return left + right
