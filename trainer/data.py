"""From examples to tensors: which rows a step trains on is a pure function of its position.

A step's batch is cut into parts: one micro-batch for each turn of gradient accumulation and each
rank. Padded batches hold a fixed number of sequences, packed ones as many as fit into a fixed
number of tokens, in tensors whose shapes never change.

Shapes: B sequences, L longest row, N pieces to predict, Q most of them in a row, and one; packed: T
tokens, G most sequences, N most pieces to predict.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bertdata.errors import ConfigError, DataError
from bertdata.randomness import derive_key, permutation
from bertdata.reader.batches import CompactBatch, to_padded
from bertdata.reader.example_reader import ExampleReader
from trainer.attention import Sequences

IGNORED = -100  # the label of places that fill a fixed shape

IntArray = npt.NDArray[np.int64]
AnyBatch = TypeVar("AnyBatch", bound="PaddedBatch | PackedBatch")

Tensors = TypeVar("Tensors", bound="PaddedBatch | PackedBatch | Sequences")

_LENGTH_MULTIPLE = 8  # of padded batches
_SPARE = 1.1  # of fixed shapes over the mean: few batches are cut short for it
_SAMPLED_ROWS = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What a batch holds.

    `tokens`: without padding; `places`: with it; `masked`: pieces to predict; `squared_lengths`:
    their sum over sequences, which is what attention costs.
    """

    tokens: int = 0
    places: int = 0
    sequences: int = 0
    masked: int = 0
    squared_lengths: int = 0

    def as_list(self) -> list[int]:
        """The numbers, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def summed(cls, counts: Sequence[Counts]) -> Counts:
        """The sums over several batches."""
        return cls.from_list([sum(column) for column in zip(*(c.as_list() for c in counts))])

    @classmethod
    def from_list(cls, values: Sequence[float]) -> Counts:
        """The way back from `as_list`."""
        return cls(**{field.name: int(v) for field, v in zip(fields(cls), values, strict=True)})


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedBatch:
    """Sequences, padded to the longest.

    `real_BL`: False on padding, None when there is none. `wanted_BQ`: in each row the position of
    [CLS], then those to predict, then 0 as filling. `masked_places_N`: where those to predict are
    among the flattened B * Q. `masked_ids_N`: the pieces to predict there.
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
    are IGNORED where there is none.
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


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows of the split that a step trains on, part by part, and where the next step begins."""

    rows: Sequence[IntArray]
    epochs: Sequence[IntArray]
    next_position: int


class Batches(Protocol):
    """The batches of training, by position: the number of sequences taken before."""

    parts: int

    def rows_at(self, position: int) -> StepRows:
        """What the step at `position` trains on."""

    def read(self, step: StepRows, part: int) -> Batch:
        """One part of it as tensors."""


class PaddedBatches:
    """Batches of `batch_size` sequences, in `parts` of nearly the same size.

    `window` batches are cut together: their rows are sorted by length, so that a batch pads little,
    and the batches are taken in a random order. With 1 the reader's order is left alone.
    """

    def __init__(
        self,
        reader: ExampleReader,
        *,
        batch_size: int,
        seed: int,
        window: int = 1,
        parts: int = 1,
    ) -> None:
        if batch_size < parts:
            raise ConfigError(
                f"batch_size {batch_size} is less than its {parts} micro-batches; raise it"
            )
        self.parts = parts
        self._reader = reader
        self._batch_size = batch_size
        self._seed = seed
        self._window = window
        self._longest = reader.longest_row()
        self._rows_of_window = functools.lru_cache(maxsize=2)(self._cut_window)

    def rows_at(self, position: int) -> StepRows:
        """What the step at `position` trains on."""
        window, number = divmod(position // self._batch_size, self._window)
        rows_WB, epochs_WB = self._rows_of_window(window)
        return StepRows(
            np.array_split(rows_WB[number], self.parts),
            np.array_split(epochs_WB[number], self.parts),
            position + self._batch_size,
        )

    def read(self, step: StepRows, part: int) -> PaddedBatch:
        """One part of it as tensors."""
        batch = self._reader.read(step.rows[part], seed=self._seed, epochs=step.epochs[part])
        length = _padded_length(batch, self._longest)
        return to_tensors(batch, pad_id=self._reader.vocabulary.special.pad, length=length)

    def _cut_window(self, window: int) -> tuple[IntArray, IntArray]:
        count = self._window * self._batch_size
        rows, epochs = self._reader.rows_at(self._seed, window * count, count)
        if self._window > 1:
            order = np.argsort(self._reader.lengths_of(rows), kind="stable")
            rows, epochs = rows[order], epochs[order]
        key = derive_key(self._seed, "order of batches", window)
        order_W = permutation(self._window, key)
        shape = (self._window, self._batch_size)
        return rows.reshape(shape)[order_W], epochs.reshape(shape)[order_W]


@dataclass(frozen=True, kw_only=True, slots=True)
class PackShape:
    """The fixed shapes of a packed part: tokens T, sequences G, predictions N, longest row L."""

    tokens: int
    sequences: int
    predictions: int
    length: int


class PackedBatches:
    """Batches of `batch_tokens` tokens, in `parts`: each takes the sequences next in the reader's
    order for as long as they fit."""

    def __init__(
        self, reader: ExampleReader, *, batch_tokens: int, seed: int, parts: int = 1
    ) -> None:
        self.parts = parts
        self.shape = pack_shape(reader, batch_tokens // parts)
        self._reader = reader
        self._seed = seed

    def rows_at(self, position: int) -> StepRows:
        """What the step at `position` trains on."""
        most = self.parts * self.shape.sequences
        rows, epochs = self._reader.rows_at(self._seed, position, most)
        lengths, predictions = self._reader.lengths_of(rows), self._reader.predictions_of(rows)
        bounds = [0]
        for _ in range(self.parts):
            left = slice(bounds[-1], None)
            bounds.append(bounds[-1] + _num_fitting(lengths[left], predictions[left], self.shape))
        inner = bounds[1:-1]
        last = bounds[-1]
        return StepRows(
            np.split(rows[:last], inner), np.split(epochs[:last], inner), position + last
        )

    def read(self, step: StepRows, part: int) -> PackedBatch:
        """One part of it as tensors."""
        batch = self._reader.read(step.rows[part], seed=self._seed, epochs=step.epochs[part])
        return to_packed(batch, self.shape, pad_id=self._reader.vocabulary.special.pad)


def pack_shape(reader: ExampleReader, tokens: int) -> PackShape:
    """Fixed shapes for packs of `tokens` tokens, from the lengths of the split's rows.

    Raises ConfigError when the longest row does not fit, DataError when there is no row.
    """
    if not reader.num_rows:
        raise DataError(f"there are no {reader.split} examples to pack")
    length = reader.longest_row()
    if tokens <= length:
        raise ConfigError(
            f"{tokens} tokens a micro-batch do not hold the longest row, {length}; raise "
            "batch_tokens, or lower accumulate or processes"
        )
    number = min(reader.num_rows, _SAMPLED_ROWS)
    rows, _ = reader.rows_at(seed=0, position=0, count=number)
    lengths, predictions = reader.lengths_of(rows), reader.predictions_of(rows)
    share = predictions.sum() / lengths.sum()
    most = int(predictions.max())
    return PackShape(
        tokens=tokens,
        sequences=int(_SPARE * tokens / lengths.mean()) + 2,
        predictions=min(tokens, _round_up(int(_SPARE * tokens * share) + most, 64)),
        length=length,
    )


def _num_fitting(lengths: IntArray, predictions: IntArray, shape: PackShape) -> int:
    """How many of the next rows go into a pack; one token is left for what pads."""
    fits = np.cumsum(lengths) < shape.tokens
    fits &= np.cumsum(predictions) <= shape.predictions
    return min(int(fits.sum()), shape.sequences)


def validation_batches(
    reader: ExampleReader,
    batch_size: int,
    seed: int,
    *,
    rank: int = 0,
    num_ranks: int = 1,
) -> Iterator[PaddedBatch]:
    """Every validation example once, of each `num_ranks` batches the one of this rank."""
    longest = reader.longest_row()
    for rows in validation_rows(reader, batch_size, rank=rank, num_ranks=num_ranks):
        batch = reader.read(rows, seed=seed)
        length = _padded_length(batch, longest)
        yield to_tensors(batch, pad_id=reader.vocabulary.special.pad, length=length)


def validation_rows(
    reader: ExampleReader, batch_size: int, *, rank: int = 0, num_ranks: int = 1
) -> list[IntArray]:
    """Which rows of the split each of `validation_batches` holds."""
    starts = range(rank * batch_size, reader.num_rows, num_ranks * batch_size)
    return [np.arange(start, min(start + batch_size, reader.num_rows)) for start in starts]


def _padded_length(batch: CompactBatch, most: int) -> int:
    """Its longest row rounded up, if need be to `most`, what the longest of all rows has.

    For each shape of a product a processor's library makes code and keeps it: with a length for
    every batch that takes half of the time, and gigabytes.
    """
    longest = int(batch.lengths.max(initial=0))
    return max(longest, min(most, _round_up(longest, _LENGTH_MULTIPLE)))


def to_tensors(batch: CompactBatch, *, pad_id: int, length: int | None = None) -> PaddedBatch:
    """A compact batch, padded to `length`, or to its longest row."""
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
    """A compact batch as one row of tokens; what is left is filled with padding."""
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


def _to_sequences(lengths: IntArray, positions: IntArray, shape: PackShape) -> Sequences:
    """The layout of packed rows; what pads is cut into slots no longer than a sequence."""
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


def to_device(batch: AnyBatch, device: torch.device) -> AnyBatch:
    """The batch on its device; from pinned memory the copy goes on while the host does."""
    return _map_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


def pin(batch: AnyBatch) -> AnyBatch:
    """The batch in page-locked memory, from where a GPU copies without the processor."""
    return _map_tensors(batch, Tensor.pin_memory)


def _map_tensors(value: Tensors, change: Callable[[Tensor], Tensor]) -> Tensors:
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


def _filled(values: npt.NDArray[Any], size: int, filling: int) -> IntArray:
    filled = np.full(size, filling, dtype=np.int64)
    filled[: len(values)] = values
    return filled


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
