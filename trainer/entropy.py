"""The yardstick beside the loss: what knowing only the frequencies of pieces would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bertdata.reader import ExampleReader

_BATCH_ROWS = 1024


def unigram_entropy(counts: npt.NDArray[np.integer[Any]]) -> float:
    """Entropy, in nats, of the distribution that these counts are of; 0 when all are 0.

    It is the least mean loss of any predictor that gives every piece the same probability at every
    place, even one that has seen the counts.
    """
    total = counts.sum()
    if not total:
        return 0.0
    shares = counts[counts > 0] / total
    return float(-(shares * np.log(shares)).sum())


def count_masked_pieces(reader: ExampleReader, *, seed: int) -> npt.NDArray[np.int64]:
    """How often each piece of the vocabulary is to be predicted in one pass over a split."""
    counts = np.zeros(reader.vocabulary.size, dtype=np.int64)
    for batch in reader.one_pass(_BATCH_ROWS, seed=seed):
        counts += np.bincount(batch.masked_ids, minlength=len(counts))
    return counts
