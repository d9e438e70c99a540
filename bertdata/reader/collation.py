"""Rows of `examples/*.arrow`, as Hugging Face `datasets` returns them, to padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bertdata.arrays import Int64Array, UInt32Array, offsets_of
from bertdata.config import Table
from bertdata.errors import DataError
from bertdata.reader.batches import CompactBatch, to_padded


class ExampleCollator:
    """Collates a list of rows (mappings by column name) into a batch.

    A batch has `input_ids`, `token_type_ids`, `attention_mask` and `labels` (-100 where nothing is
    predicted) of shape B L and `next_sentence_label` of shape B, all int64, each passed through
    `convert`: pass `torch.from_numpy` for a torch `DataLoader` or the `Trainer` of transformers.
    `length`: L; None pads to the longest row of each batch. Raises DataError for rows without
    masks: with dynamic masking only `bertdata.reader`, which knows the epoch, masks them.
    """

    def __init__(
        self,
        *,
        pad_id: int,
        length: int | None = None,
        convert: Callable[[Int64Array], Any] = np.asarray,
    ) -> None:
        self.pad_id = pad_id
        self.length = length
        self.convert = convert

    def __call__(self, rows: Sequence[Table]) -> dict[str, Any]:
        """The batch of these rows, in their order."""
        if any(not len(row["masked_lm_positions"]) for row in rows):
            raise DataError(
                'a row has no masks; read examples made with masking = "dynamic" '
                "through bertdata.reader.ExampleReader"
            )
        padded = to_padded(_to_batch(rows), pad_id=self.pad_id, length=self.length)
        return {name: self.convert(values) for name, values in padded.items()}


def _to_batch(rows: Sequence[Table]) -> CompactBatch:
    input_ids, offsets = _flatten([row["input_ids"] for row in rows])
    positions, masked_offsets = _flatten([row["masked_lm_positions"] for row in rows])
    masked_ids, _ = _flatten([row["masked_lm_ids"] for row in rows])
    return CompactBatch(
        input_ids=input_ids,
        offsets=offsets,
        segment_b_starts=np.array([row["segment_b_start"] for row in rows], dtype=np.int64),
        masked_positions=positions.astype(np.int64),
        masked_ids=masked_ids,
        masked_offsets=masked_offsets,
        next_sentence_labels=np.array([row["next_sentence_label"] for row in rows], dtype=np.int64),
    )


def _flatten(lists: Sequence[Sequence[int]]) -> tuple[UInt32Array, Int64Array]:
    flat = np.concatenate([np.asarray(values, dtype=np.uint32) for values in lists])
    return flat, offsets_of([len(values) for values in lists])
