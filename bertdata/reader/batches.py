"""Batches of examples: compact as they are stored, or padded under Hugging Face's names.

Legend of shapes: B rows, L pieces of the longest row, T pieces of all rows together, N masked
pieces of all rows together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bertdata.arrays import Int64Array, PieceArray, places_within
from bertdata.errors import ConfigError

PaddedBatch = dict[str, Int64Array]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompactBatch:
    """Rows of examples without padding.

    `input_ids` T pieces of row b at `offsets[b]:offsets[b + 1]`; `segment_b_starts` B, within the
    row; `masked_positions` (within the row) and `masked_ids` N, those of row b at
    `masked_offsets[b]:masked_offsets[b + 1]`; `next_sentence_labels` B, 1 where B is random.
    """

    input_ids: PieceArray
    offsets: Int64Array
    segment_b_starts: Int64Array
    masked_positions: Int64Array
    masked_ids: PieceArray
    masked_offsets: Int64Array
    next_sentence_labels: Int64Array

    @property
    def lengths(self) -> Int64Array:
        """Pieces of each row, B."""
        return np.diff(self.offsets)

    def split(self, num_rows: int) -> Iterator[CompactBatch]:
        """Batches of `num_rows` rows each, views of this one; the last may have fewer."""
        for start in range(0, len(self.segment_b_starts), num_rows):
            offsets = self.offsets[start : start + num_rows + 1]
            masked = self.masked_offsets[start : start + num_rows + 1]
            yield CompactBatch(
                input_ids=self.input_ids[offsets[0] : offsets[-1]],
                offsets=offsets - offsets[0],
                segment_b_starts=self.segment_b_starts[start : start + num_rows],
                masked_positions=self.masked_positions[masked[0] : masked[-1]],
                masked_ids=self.masked_ids[masked[0] : masked[-1]],
                masked_offsets=masked - masked[0],
                next_sentence_labels=self.next_sentence_labels[start : start + num_rows],
            )


def to_padded(batch: CompactBatch, *, pad_id: int, length: int | None = None) -> PaddedBatch:
    """A batch under Hugging Face's names, padded at the end of each row.

    Returns `input_ids`, `token_type_ids`, `attention_mask`, `labels` (the original piece where one
    is predicted, -100 elsewhere), all int64 of shape B L, and `next_sentence_label`, int64 of shape
    B.
    `length`: L; None means the longest row. Raises ConfigError when a row is longer.
    """
    lengths = batch.lengths
    longest = int(lengths.max(initial=0))
    length = longest if length is None else length
    if longest > length:
        raise ConfigError(f"a row has {longest} pieces, more than length {length}; raise it")
    real_BL = places_within(lengths, length)
    in_a_BL = places_within(np.minimum(batch.segment_b_starts, length), length)
    # One allocation, which the next batch reuses; four smaller ones return to the system.
    input_ids_BL, types_BL, mask_BL, labels_BL = np.empty((4, *real_BL.shape), dtype=np.int64)
    input_ids_BL.fill(pad_id)
    input_ids_BL[real_BL] = batch.input_ids
    mask_BL[:] = real_BL
    types_BL[:] = real_BL & ~in_a_BL
    labels_BL.fill(-100)
    labels_BL.reshape(-1)[_places_of(batch.masked_positions, batch.masked_offsets, length)] = (
        batch.masked_ids
    )
    return {
        "input_ids": input_ids_BL,
        "token_type_ids": types_BL,
        "attention_mask": mask_BL,
        "labels": labels_BL,
        "next_sentence_label": batch.next_sentence_labels,
    }


def _places_of(positions: Int64Array, offsets: Int64Array, length: int) -> Int64Array:
    """The places of positions within rows, in a flattened table with rows of `length`."""
    row_starts = np.arange(len(offsets) - 1) * length
    places: Int64Array = positions + np.repeat(row_starts, np.diff(offsets))
    return places
