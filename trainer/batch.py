"""Batches as tensors: sequences that are padded, or packed one after the other.

Padded batches hold as many rows as sequences. Packed ones hold one row of tokens, in tensors whose
shapes never change.

Shapes: B sequences, L longest row, N pieces to predict, Q one more than the maximum of them in a
row; packed: T tokens, G maximum of sequences, N maximum of pieces to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from bertdata.arrays import AnyArray, Int64Array
from bertdata.reader.batches import CompactBatch, to_padded
from trainer.attention import Sequences

IGNORED = -100  # the label of places that fill a fixed shape

_AnyBatch = TypeVar("_AnyBatch", bound="PaddedBatch | PackedBatch")
_Tensors = TypeVar("_Tensors", bound="PaddedBatch | PackedBatch | Sequences")


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What a batch holds.

    `tokens`: without padding; `places`: with padding; `masked`: pieces to predict;
    `squared_lengths`: their sum over sequences, to which the cost of attention is proportional.
    """

    tokens: int = 0
    places: int = 0
    sequences: int = 0
    masked: int = 0
    squared_lengths: int = 0

    def as_list(self) -> list[int]:
        """Return the numbers in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def summed(cls, counts: Sequence[Counts]) -> Counts:
        """Return the sums over several batches."""
        return cls.from_list([sum(column) for column in zip(*(c.as_list() for c in counts))])

    @classmethod
    def from_list(cls, values: Sequence[float]) -> Counts:
        """Make counts of what `as_list` returned."""
        return cls(**{field.name: int(v) for field, v in zip(fields(cls), values, strict=True)})


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedBatch:
    """Sequences, padded to the longest.

    `real_BL`: False on padding; None if there is no padding. `wanted_BQ`: in each row the position
    of [CLS], then the positions to predict, then 0 as filling. `masked_places_N`: where those to
    predict are among the flattened B * Q. `masked_ids_N`: the pieces to predict there.
    """

    input_ids_BL: Tensor
    token_type_ids_BL: Tensor
    real_BL: Tensor | None
    wanted_BQ: Tensor
    masked_places_N: Tensor
    masked_ids_N: Tensor
    next_sentence_labels_B: Tensor
    counts: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedBatch:
    """Sequences one after the other, in fixed shapes.

    `positions_T`: of each token within its sequence. `wanted_Q`: the places of the [CLS] of each of
    the G sequences, then of the N pieces to predict. `masked_ids_N` and `next_sentence_labels_G`
    are IGNORED past the last one.
    """

    input_ids_T: Tensor
    token_type_ids_T: Tensor
    positions_T: Tensor
    sequences: Sequences
    wanted_Q: Tensor
    masked_ids_N: Tensor
    next_sentence_labels_G: Tensor
    counts: Counts


Batch = PaddedBatch | PackedBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class PackShape:
    """The fixed shapes of a packed part: tokens T, sequences G, predictions N, longest row L."""

    tokens: int
    sequences: int
    predictions: int
    length: int


def to_tensors(batch: CompactBatch, *, pad_id: int, length: int | None = None) -> PaddedBatch:
    """Pad a compact batch to `length`, or to its longest row."""
    padded = to_padded(batch, pad_id=pad_id, length=length)
    length = padded["input_ids"].shape[1]
    counts_B = np.diff(batch.masked_offsets)
    is_masked_BQ = np.arange(counts_B.max(initial=0) + 1) <= counts_B[:, None]
    is_masked_BQ[:, 0] = False
    wanted_BQ = np.zeros(is_masked_BQ.shape, dtype=np.int64)
    wanted_BQ[is_masked_BQ] = batch.masked_positions
    is_padded = bool((batch.lengths < length).any())
    return PaddedBatch(
        input_ids_BL=torch.from_numpy(padded["input_ids"]),
        token_type_ids_BL=torch.from_numpy(padded["token_type_ids"]),
        real_BL=torch.from_numpy(padded["attention_mask"].astype(bool)) if is_padded else None,
        wanted_BQ=torch.from_numpy(wanted_BQ),
        masked_places_N=torch.from_numpy(np.flatnonzero(is_masked_BQ)),
        masked_ids_N=torch.from_numpy(batch.masked_ids.astype(np.int64)),
        next_sentence_labels_B=torch.from_numpy(batch.next_sentence_labels),
        counts=_count(batch, places=padded["input_ids"].size),
    )


def to_packed(batch: CompactBatch, shape: PackShape, *, pad_id: int) -> PackedBatch:
    """Pack a compact batch into one row of tokens; the rest of the row is padding."""
    lengths, starts = batch.lengths, batch.offsets[:-1]
    positions = np.arange(batch.offsets[-1]) - np.repeat(starts, lengths)
    is_second = positions >= np.repeat(batch.segment_b_starts, lengths)
    masked_places = np.repeat(starts, np.diff(batch.masked_offsets)) + batch.masked_positions
    cls_places_G = _filled(starts, shape.sequences, 0)
    masked_places_N = _filled(masked_places, shape.predictions, 0)
    return PackedBatch(
        input_ids_T=torch.from_numpy(_filled(batch.input_ids, shape.tokens, pad_id)),
        token_type_ids_T=torch.from_numpy(_filled(is_second, shape.tokens, 0)),
        positions_T=torch.from_numpy(_filled(positions, shape.tokens, 0)),
        sequences=_to_sequences(lengths, positions, shape),
        wanted_Q=torch.from_numpy(np.concatenate([cls_places_G, masked_places_N])),
        masked_ids_N=torch.from_numpy(_filled(batch.masked_ids, shape.predictions, IGNORED)),
        next_sentence_labels_G=torch.from_numpy(
            _filled(batch.next_sentence_labels, shape.sequences, IGNORED)
        ),
        counts=_count(batch, places=shape.tokens),
    )


def _to_sequences(lengths: Int64Array, positions: Int64Array, shape: PackShape) -> Sequences:
    """Return the layout of packed rows; padding is cut into slots no longer than a sequence."""
    number, used = len(lengths), int(lengths.sum())
    ends = np.concatenate([np.cumsum(lengths), np.arange(used, shape.tokens, shape.length)[1:]])
    num_slots = shape.sequences + -(-shape.tokens // shape.length) + 1
    offsets = np.full(num_slots + 1, shape.tokens, dtype=np.int32)
    offsets[0], offsets[1 : len(ends) + 1] = 0, ends
    place_L = np.arange(shape.length)
    is_real_GL = place_L < _filled(lengths, shape.sequences, 0)[:, None]
    starts_G = _filled(offsets[:number], shape.sequences, 0)
    rows = np.repeat(np.arange(number), lengths)
    return Sequences(
        offsets=torch.from_numpy(offsets),
        places_GL=torch.from_numpy(np.where(is_real_GL, starts_G[:, None] + place_L, 0)),
        bias_GL=torch.from_numpy(np.where(is_real_GL, 0.0, -1e9).astype(np.float32)),
        grid_places_T=torch.from_numpy(_filled(rows * shape.length + positions, shape.tokens, 0)),
    )


def to_device(batch: _AnyBatch, device: torch.device) -> _AnyBatch:
    """Copy a batch to a device; from pinned memory without waiting for the copy to end."""
    return _map_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


def pin(batch: _AnyBatch) -> _AnyBatch:
    """Copy a batch to page-locked memory, from which a GPU copies without the processor."""
    return _map_tensors(batch, Tensor.pin_memory)


def _map_tensors(value: _Tensors, change: Callable[[Tensor], Tensor]) -> _Tensors:
    changed: dict[str, Any] = {}
    for field in fields(value):
        old = getattr(value, field.name)
        if isinstance(old, Tensor):
            changed[field.name] = change(old)
        elif isinstance(old, Sequences):
            changed[field.name] = _map_tensors(old, change)
    return replace(value, **changed)


def _count(batch: CompactBatch, *, places: int) -> Counts:
    return Counts(
        tokens=int(batch.offsets[-1]),
        places=places,
        sequences=len(batch.lengths),
        masked=len(batch.masked_ids),
        squared_lengths=int(np.square(batch.lengths).sum()),
    )


def _filled(values: AnyArray, size: int, filling: int) -> Int64Array:
    filled = np.full(size, filling, dtype=np.int64)
    filled[: len(values)] = values
    return filled
