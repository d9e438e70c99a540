"""The rows of a task as batches: which rows an epoch's steps see is a function of (seed, epoch).

Shapes: B batch, L longest text of the batch, Q maximum of answers to a row of the batch (1 except
in tagging), N answers to the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bertdata.arrays import Float64Array, Int64Array
from bertdata.randomness import derive_key, permutation
from trainer.texts.encoder import EncodedText, TextBatch, TextEncoder, lengths_of, pad
from trainer.tuning.tasks import TaskRow

_WINDOW = 16  # batches cut together from rows sorted by length, which reduces padding


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskBatch:
    """A batch on its device.

    `wanted_BQ`: positions whose states are read, then 0 as filling. `places_N`: which of the
    flattened B * Q are not filling, row by row. `targets_N`: numbers of classes, or values; None
    without labels.
    """

    text: TextBatch
    wanted_BQ: Tensor
    places_N: Tensor
    targets_N: Tensor | None


class TaskData:
    """The rows of one file, encoded, with their targets.

    `labels`: names by number; none for regression.
    """

    def __init__(
        self, rows: Sequence[TaskRow], encoder: TextEncoder, labels: Sequence[str]
    ) -> None:
        self.rows = rows
        self.texts = _encode_rows(rows, encoder)
        self.is_labelled = rows[0].label is not None
        self._pad_id = encoder.pad_id
        self._targets = [_targets(row, labels) for row in rows] if self.is_labelled else []

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def num_cut(self) -> int:
        """The number of texts that were too long."""
        return sum(text.num_cut > 0 for text in self.texts)

    def positions(self, row: int) -> list[int]:
        """Return where the answers to a row are read: [CLS], or the words that were not cut off."""
        return self.texts[row].word_starts if isinstance(self.rows[row].text, tuple) else [0]

    def targets(self) -> Float64Array:
        """Return all targets, row by row, without those of words that were cut off."""
        kept = [t[: len(self.positions(i))] for i, t in enumerate(self._targets)]
        return np.array([value for values in kept for value in values], dtype=np.float64)

    def epoch(self, batch_size: int, *, seed: int, epoch: int) -> list[Int64Array]:
        """Return the rows of each step of an epoch: every row once; one batch may be smaller."""
        order = permutation(len(self), derive_key(seed, "order of rows", epoch))
        batches = list(self._cut(order, batch_size, _WINDOW * batch_size))
        key = derive_key(seed, "order of batches", epoch)
        return [batches[i] for i in permutation(len(batches), key)]

    def by_length(self, batch_size: int) -> list[Int64Array]:
        """Return every row once, in batches of similar length."""
        return list(self._cut(np.arange(len(self)), batch_size, len(self)))

    def batch(self, rows: Int64Array, device: torch.device) -> TaskBatch:
        """Make tensors of some rows."""
        positions = [self.positions(row) for row in rows]
        counts_B = np.array([len(places) for places in positions])
        is_wanted_BQ = np.arange(max(1, counts_B.max())) < counts_B[:, None]
        wanted_BQ = np.zeros(is_wanted_BQ.shape, dtype=np.int64)
        wanted_BQ[is_wanted_BQ] = [place for places in positions for place in places]
        return TaskBatch(
            text=pad([self.texts[row] for row in rows], pad_id=self._pad_id, device=device),
            wanted_BQ=torch.from_numpy(wanted_BQ).to(device),
            places_N=torch.from_numpy(np.flatnonzero(is_wanted_BQ)).to(device),
            targets_N=self._target_tensor(rows, counts_B, device),
        )

    def _target_tensor(
        self, rows: Int64Array, counts_B: Int64Array, device: torch.device
    ) -> Tensor | None:
        if not self.is_labelled:
            return None
        kept = [self._targets[row][:count] for row, count in zip(rows, counts_B)]
        return torch.tensor([value for values in kept for value in values], device=device)

    def _cut(self, rows: Int64Array, batch_size: int, window: int) -> Iterator[Int64Array]:
        lengths = lengths_of(self.texts)
        for start in range(0, len(rows), window):
            chosen = rows[start : start + window]
            chosen = chosen[np.argsort(lengths[chosen], kind="stable")]
            yield from np.split(chosen, range(batch_size, len(chosen), batch_size))


def _encode_rows(rows: Sequence[TaskRow], encoder: TextEncoder) -> list[EncodedText]:
    """Encode the text, pair or words of each row."""
    if isinstance(rows[0].text, tuple):
        return encoder.encode_words([tuple(row.text) for row in rows])
    texts = [str(row.text) for row in rows]
    if rows[0].text_pair is None:
        return encoder.encode(texts)
    return encoder.encode_pairs(texts, [row.text_pair or "" for row in rows])


def hold_out(rows: Sequence[TaskRow], share: float) -> tuple[list[TaskRow], list[TaskRow]]:
    """Split rows into kept and held out, in their order; the same ones on every call."""
    number = max(1, round(share * len(rows)))
    chosen = set(permutation(len(rows), derive_key(0, "held-out rows"))[:number].tolist())
    kept = [row for i, row in enumerate(rows) if i not in chosen]
    return kept, [rows[i] for i in sorted(chosen)]


def _targets(row: TaskRow, labels: Sequence[str]) -> list[int] | list[float]:
    if isinstance(row.label, tuple):
        return [labels.index(name) for name in row.label]
    assert row.label is not None
    return [labels.index(row.label)] if isinstance(row.label, str) else [row.label]
