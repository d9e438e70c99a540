"""The yardstick for the loss: what a model reaches that knows only the frequencies of pieces.

For a unigram model, every piece has the same probability at every place: its share of the pieces to
predict in the training split. Both this model and the trained one are scored on the validation
split, which neither has seen.

Shapes: R rows of the validation split, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bertdata.arrays import Float64Array, Int64Array, IntegerArray
from bertdata.reader.example_reader import ExampleReader
from trainer.pretraining.measures.piece_counts import count_masked_pieces

_BATCH_ROWS = 1024
# Of the training split: some two million pieces to predict. Counting more of them would change the
# loss by about vocabulary / (2 * pieces), under 0.01 nats for 30,522 pieces.
_MAX_COUNTED_ROWS = 1 << 17
# A difference is reliable if it is known to a tenth of a nat (a tenth of the perplexity) or to a
# quarter of itself, so that its sign and size are certain.
_MAX_ERROR, _MAX_ERROR_SHARE = 0.1, 0.25
_MIN_DOCUMENTS = 10  # a spread estimated from fewer is itself a guess


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """A mean per piece, in nats, and its standard error.

    `error` is that of a mean over pieces drawn document by document: pieces of one document share
    its subject, so documents are what counts as independent. None with fewer than two documents.
    """

    value: float
    error: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Yardstick:
    """The loss of the unigram model and of the trained one on the same pieces, in nats.

    `below`: how far the trained model is below the unigram model, with the error of this
    difference, which is smaller than either loss's own: both find the same documents hard.
    """

    unigram_loss: Mean
    mlm_loss: Mean
    below: Mean
    num_pieces: int
    num_documents: int

    @property
    def is_reliable(self) -> bool:
        """Whether there are enough validation pieces for the difference to mean something."""
        if self.below.error is None or self.num_documents < _MIN_DOCUMENTS:
            return False
        return self.below.error <= max(_MAX_ERROR, _MAX_ERROR_SHARE * abs(self.below.value))


def measure_yardstick(
    train: ExampleReader, validation: ExampleReader, losses_R: Float64Array, *, seed: int
) -> Yardstick | None:
    """Compare a model with the unigram model; None if there is nothing to predict.

    `losses_R`: the model's summed loss on each validation row, in nats. By add-one smoothing,
    pieces that training never predicts have a probability too. A row belongs to the document of
    its A.
    """
    unigram_V = unigram_losses(count_masked_pieces(train, seed=seed, max_rows=_MAX_COUNTED_ROWS))
    counts_R, unigram_R = _score_rows(validation, unigram_V, seed)
    if not counts_R.any():
        return None
    documents_R = validation.document_ids_of(np.arange(validation.num_rows))
    return Yardstick(
        unigram_loss=clustered_mean(unigram_R, counts_R, documents_R),
        mlm_loss=clustered_mean(losses_R, counts_R, documents_R),
        below=clustered_mean(unigram_R - losses_R, counts_R, documents_R),
        num_pieces=int(counts_R.sum()),
        num_documents=len(set(documents_R)),
    )


def unigram_losses(counts_V: IntegerArray) -> Float64Array:
    """Return the loss, in nats, of each piece under its add-one smoothed share of `counts_V`."""
    smoothed_V = counts_V + 1.0
    losses_V: Float64Array = np.log(smoothed_V.sum()) - np.log(smoothed_V)
    return losses_V


def clustered_mean(sums_R: Float64Array, counts_R: Int64Array, documents_R: list[int]) -> Mean:
    """Return the mean of sums over counts, and its standard error with documents as clusters.

    The error is that of a ratio of two sums over documents (linearised, with the correction for
    few documents). clustered_mean of [2., 4.], [1, 1], [7, 8] -> 3 +- 1
    """
    _, clusters_R = np.unique(np.array(documents_R, dtype=np.uint64), return_inverse=True)
    sums, counts = np.bincount(clusters_R, sums_R), np.bincount(clusters_R, counts_R)
    mean = float(sums.sum() / counts.sum())
    number = len(sums)
    if number < 2:
        return Mean(value=mean, error=None)
    residuals = sums - mean * counts
    variance = number / (number - 1) * float(residuals @ residuals)
    return Mean(value=mean, error=math.sqrt(variance) / float(counts.sum()))


def _score_rows(
    reader: ExampleReader, unigram_V: Float64Array, seed: int
) -> tuple[Int64Array, Float64Array]:
    """Return the number of pieces to predict in each row, and their summed loss."""
    counts: list[Int64Array] = [np.zeros(0, dtype=np.int64)]
    sums: list[Float64Array] = [np.zeros(0)]
    for batch in reader.one_pass(_BATCH_ROWS, seed=seed):
        counts_B = np.diff(batch.masked_offsets)
        rows = np.repeat(np.arange(len(counts_B)), counts_B)
        counts.append(counts_B)
        sums_B = np.bincount(rows, unigram_V[batch.masked_ids], minlength=len(counts_B))
        sums.append(sums_B.astype(np.float64))
    return np.concatenate(counts), np.concatenate(sums)
