"""From examples to tensors: which rows a step trains on is a pure function of its position.

A step's batch is cut into parts: one micro-batch for each turn of gradient accumulation and each
rank. Padded batches hold a fixed number of sequences, packed ones as many as fit into a fixed
number of tokens, in tensors whose shapes never change.

Shapes: B sequences, L longest row, N pieces to predict, Q most of them in a row, and one; packed: T
tokens, G most sequences, N most pieces to predict.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bertdata.arrays import Int64Array
from bertdata.errors import ConfigError, DataError
from bertdata.randomness import derive_key, permutation
from bertdata.reader.batches import CompactBatch
from bertdata.reader.example_reader import ExampleReader
from trainer.batch import Batch, PackedBatch, PackShape, PaddedBatch, to_packed, to_tensors

_LENGTH_MULTIPLE = 8  # of padded batches
_SPARE = 1.1  # of fixed shapes over the mean: few batches are cut short for it
_SAMPLED_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows of the split that a step trains on, part by part, and where the next step begins."""

    rows: Sequence[Int64Array]
    epochs: Sequence[Int64Array]
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

    def _cut_window(self, window: int) -> tuple[Int64Array, Int64Array]:
        count = self._window * self._batch_size
        rows, epochs = self._reader.rows_at(self._seed, window * count, count)
        if self._window > 1:
            order = np.argsort(self._reader.lengths_of(rows), kind="stable")
            rows, epochs = rows[order], epochs[order]
        key = derive_key(self._seed, "order of batches", window)
        order_W = permutation(self._window, key)
        shape = (self._window, self._batch_size)
        return rows.reshape(shape)[order_W], epochs.reshape(shape)[order_W]


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


def _num_fitting(lengths: Int64Array, predictions: Int64Array, shape: PackShape) -> int:
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
) -> list[Int64Array]:
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


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
