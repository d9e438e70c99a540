"""From examples to tensors: which rows step n trains on is a pure function of (seed, n).

Shapes: B batch, L longest row of the batch, N pieces to predict in the batch, Q most of them in
a row, and one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bertdata.randomness import derive_key
from bertdata.reader import CompactBatch, ExampleReader, permute, to_padded


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainBatch:
    """A batch on its device.

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
    num_tokens: int


class TrainBatches:
    """The batches of training, by step.

    `window` batches are cut together: their rows are sorted by length, so that a batch pads little,
    and the batches are taken in a random order. With 1 the reader's order is left alone.
    """

    def __init__(
        self, reader: ExampleReader, *, batch_size: int, seed: int, window: int = 1
    ) -> None:
        self._reader = reader
        self._batch_size = batch_size
        self._seed = seed
        self._window = window
        self._rows_of_window = functools.lru_cache(maxsize=2)(self._cut_window)

    def batch_at(self, step: int) -> TrainBatch:
        """What step `step` (from 0) trains on."""
        window, number = divmod(step, self._window)
        rows_WB, epochs_WB = self._rows_of_window(window)
        batch = self._reader.read(rows_WB[number], seed=self._seed, epochs=epochs_WB[number])
        return to_tensors(batch, pad_id=self._reader.vocabulary.special.pad)

    def _cut_window(self, window: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        count = self._window * self._batch_size
        rows, epochs = self._reader.rows_at(self._seed, window * count, count)
        if self._window > 1:
            order = np.argsort(self._reader.lengths_of(rows), kind="stable")
            rows, epochs = rows[order], epochs[order]
        key = derive_key(self._seed, "order of batches")
        order_W = permute(np.arange(self._window), self._window, seed=key, epoch=window)
        shape = (self._window, self._batch_size)
        return rows.reshape(shape)[order_W], epochs.reshape(shape)[order_W]


def validation_batches(reader: ExampleReader, batch_size: int, seed: int) -> Iterator[TrainBatch]:
    """Every validation example once."""
    for batch in reader.one_pass(batch_size, seed=seed):
        yield to_tensors(batch, pad_id=reader.vocabulary.special.pad)


def to_tensors(batch: CompactBatch, *, pad_id: int) -> TrainBatch:
    """A compact batch, padded to its longest row."""
    padded = to_padded(batch, pad_id=pad_id)
    length = padded["input_ids"].shape[1]
    counts_B = np.diff(batch.masked_offsets)
    is_masked_BQ = np.arange(counts_B.max(initial=0) + 1) <= counts_B[:, None]
    is_masked_BQ[:, 0] = False
    wanted_BQ = np.zeros(is_masked_BQ.shape, dtype=np.int64)
    wanted_BQ[is_masked_BQ] = batch.masked_positions
    is_padded = bool((batch.lengths < length).any())
    return TrainBatch(
        input_ids_BL=torch.from_numpy(padded["input_ids"]),
        token_type_ids_BL=torch.from_numpy(padded["token_type_ids"]),
        real_BL=torch.from_numpy(padded["attention_mask"].astype(bool)) if is_padded else None,
        wanted_BQ=torch.from_numpy(wanted_BQ),
        masked_places_N=torch.from_numpy(np.flatnonzero(is_masked_BQ)),
        masked_ids_N=torch.from_numpy(batch.masked_ids.astype(np.int64)),
        next_sentence_labels_B=torch.from_numpy(batch.next_sentence_labels),
        num_tokens=int(batch.offsets[-1]),
    )
