"""How often each piece of the vocabulary is to be predicted in a split."""

from __future__ import annotations

import functools

import numpy as np

from bertdata.arrays import Int64Array
from bertdata.reader.example_reader import ExampleReader

_BATCH_ROWS = 1024


def count_masked_pieces(
    reader: ExampleReader, *, seed: int, max_rows: int | None = None
) -> Int64Array:
    """Count how often each piece of the vocabulary is to be predicted in one pass over a split.

    `max_rows`: at most about this many rows are read, in stretches spread evenly over the split.
    """
    stride = 1 if max_rows is None else max(1, -(-reader.num_rows // max_rows))
    return _count(reader, seed, stride).copy()


@functools.lru_cache(maxsize=4)
def _count(reader: ExampleReader, seed: int, stride: int) -> Int64Array:
    """Count in every `stride`-th stretch. Cached: a run needs the same counts several times."""
    counts = np.zeros(reader.vocabulary.size, dtype=np.int64)
    for start in range(0, reader.num_rows, stride * _BATCH_ROWS):
        rows = np.arange(start, min(start + _BATCH_ROWS, reader.num_rows), dtype=np.int64)
        masked_ids = reader.read(rows, seed=seed).masked_ids
        counts += np.bincount(masked_ids, minlength=len(counts))
    return counts
