"""Which rows a step trains on: a pure function of its position.

A step's batch is cut into parts: one micro-batch for each turn of gradient accumulation and each
rank. Padded batches hold a fixed number of sequences, packed ones as many as fit into a fixed
number of tokens.

Shapes: W batches of a window, B sequences.
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
    """The rows of a step, part by part, and the position of the next step."""

    rows: Sequence[Int64Array]
    epochs: Sequence[Int64Array]
    next_position: int


class Batches(Protocol):
    """The batches of training, by position: the number of sequences before them."""

    parts: int

    def rows_at(self, position: int) -> StepRows:
        """Return the rows of the step at `position`."""

    def read(self, step: StepRows, part: int) -> Batch:
        """Read one part of a step as tensors."""


class PaddedBatches:
    """Batches of `batch_size` sequences, in `parts` of nearly the same size.

    `window` batches are cut together: their rows are sorted by length, so that a batch has little
    padding, and the batches are taken in random order. 1 keeps the reader's order.
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
        """Return the rows of the step at `position`."""
        window, number = divmod(position // self._batch_size, self._window)
        rows_WB, epochs_WB = self._rows_of_window(window)
        return StepRows(
            np.array_split(rows_WB[number], self.parts),
            np.array_split(epochs_WB[number], self.parts),
            position + self._batch_size,
        )

    def read(self, step: StepRows, part: int) -> PaddedBatch:
        """Read one part of a step as tensors."""
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
    """Batches of `batch_tokens` tokens, in `parts`.

    Each part takes the next sequences in the reader's order for as long as they fit.
    """

    def __init__(
        self, reader: ExampleReader, *, batch_tokens: int, seed: int, parts: int = 1
    ) -> None:
        self.parts = parts
        self.shape = pack_shape(reader, batch_tokens // parts)
        self._reader = reader
        self._seed = seed

    def rows_at(self, position: int) -> StepRows:
        """Return the rows of the step at `position`."""
        capacity = self.parts * self.shape.sequences
        rows, epochs = self._reader.rows_at(self._seed, position, capacity)
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
        """Read one part of a step as tensors."""
        batch = self._reader.read(step.rows[part], seed=self._seed, epochs=step.epochs[part])
        return to_packed(batch, self.shape, pad_id=self._reader.vocabulary.special.pad)


def pack_shape(reader: ExampleReader, tokens: int) -> PackShape:
    """Choose fixed shapes for packs of `tokens` tokens by the lengths of the split's rows.

    Raises ConfigError if the longest row does not fit, DataError if the split has no rows.
    """
    if not reader.num_rows:
        raise DataError(f"there are no {reader.split} examples to pack; make some from more text")
    length = reader.longest_row()
    if tokens <= length:
        raise ConfigError(
            f"{tokens} tokens per micro-batch do not hold the longest row, {length}; raise "
            "batch_tokens, or lower accumulate or processes"
        )
    number = min(reader.num_rows, _SAMPLED_ROWS)
    rows, _ = reader.rows_at(seed=0, position=0, count=number)
    lengths, predictions = reader.lengths_of(rows), reader.predictions_of(rows)
    share = predictions.sum() / lengths.sum()
    longest = int(predictions.max())
    return PackShape(
        tokens=tokens,
        sequences=int(_SPARE * tokens / lengths.mean()) + 2,
        predictions=min(tokens, _round_up(int(_SPARE * tokens * share) + longest, 64)),
        length=length,
    )


def _num_fitting(lengths: Int64Array, predictions: Int64Array, shape: PackShape) -> int:
    """Return how many of the next rows fit into a pack; one token is left for padding."""
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
    """Read every validation example once; of each `num_ranks` batches the one of this rank."""
    longest = reader.longest_row()
    for rows in validation_rows(reader, batch_size, rank=rank, num_ranks=num_ranks):
        batch = reader.read(rows, seed=seed)
        length = _padded_length(batch, longest)
        yield to_tensors(batch, pad_id=reader.vocabulary.special.pad, length=length)


def validation_rows(
    reader: ExampleReader, batch_size: int, *, rank: int = 0, num_ranks: int = 1
) -> list[Int64Array]:
    """Return the rows of the split in each of the `validation_batches`."""
    starts = range(rank * batch_size, reader.num_rows, num_ranks * batch_size)
    return [np.arange(start, min(start + batch_size, reader.num_rows)) for start in starts]


def _padded_length(batch: CompactBatch, max_length: int) -> int:
    """Round the longest row of a batch up, at most to `max_length`, the longest row of all.

    A processor's library compiles and keeps code for every shape of a product: if every batch had
    its own length, that would take half of the time, and gigabytes.
    """
    longest = int(batch.lengths.max(initial=0))
    return max(longest, min(max_length, _round_up(longest, _LENGTH_MULTIPLE)))


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
