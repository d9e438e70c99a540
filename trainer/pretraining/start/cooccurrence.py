"""Token embeddings to start from: which pieces occur near each other, in few dimensions.

A new model learns first, and slowly, which pieces occur together. Embeddings whose products are
large for such pieces hold this from the start. They are the factors of the matrix of positive
pointwise mutual information (Levy and Goldberg, "Neural word embedding as
implicit matrix factorization", 2014), found by subspace iteration (Halko, Martinsson and Tropp,
2011).

Shapes: V vocabulary, D width, Z pairs of pieces that occur near each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bertdata.arrays import Float64Array, Int64Array
from bertdata.randomness import derive_key
from bertdata.reader.batches import CompactBatch
from bertdata.reader.example_reader import ExampleReader

_WINDOW = 4  # pieces to either side that count as near, as 1 / distance
_MAX_EXAMPLES = 65_536  # counted at most, which bounds time and memory on a large corpus
_BATCH_ROWS = 4_096
_SPARE_DIMENSIONS = 16
_ITERATIONS = 3
_SMOOTHING = 0.75  # of the columns: rare neighbours tell less
_MAX_NORM = 2.7  # of the root mean square of all rows


def cooccurrence_embeddings(reader: ExampleReader, width: int, *, seed: int) -> Tensor:
    """Return embeddings V D, of mean square 1, from the first examples in the order of `seed`."""
    pairs_Z, counts_Z = _count_pairs(reader, seed)
    matrix = _positive_information(pairs_Z, counts_Z, reader.vocabulary.size)
    torch.manual_seed(derive_key(seed, "co-occurrence embeddings") >> 1)
    embeddings_VD = _largest_factors(matrix, width)
    norms_V1 = embeddings_VD.norm(dim=1, keepdim=True)
    longest = _MAX_NORM * norms_V1.square().mean().sqrt()
    embeddings_VD = embeddings_VD * (longest / norms_V1.clamp_min(longest))
    scaled_VD: Tensor = embeddings_VD / embeddings_VD.square().mean().sqrt()
    return scaled_VD


@dataclass(frozen=True, slots=True)
class _SparseMatrix:
    """Row i has `values[k]` in column `columns[k]` for k in offsets[i]:offsets[i + 1]."""

    offsets: Tensor
    columns: Tensor
    values: Tensor

    def times(self, dense: Tensor) -> Tensor:
        """Return the product with a dense matrix, as weighted sums of embeddings.

        The fast path of `embedding_bag` needs contiguous rows, which a QR decomposition does not
        return: without the copy it takes thirty times as long.
        """
        return functional.embedding_bag(
            self.columns,
            dense.contiguous(),
            self.offsets,
            mode="sum",
            per_sample_weights=self.values,
            include_last_offset=True,
        )


def _count_pairs(reader: ExampleReader, seed: int) -> tuple[Int64Array, Float64Array]:
    """Return unordered pairs (smaller id * V + larger id), ascending, and their counts."""
    num_rows = min(reader.num_rows, _MAX_EXAMPLES)
    parts = []
    for start in range(0, num_rows, _BATCH_ROWS):
        batch = reader.batch_at(seed, start, min(_BATCH_ROWS, num_rows - start))
        parts += _near_pairs(batch, reader.vocabulary.size)
    codes, counts = np.unique(np.concatenate(parts), return_counts=True)
    pairs, places = np.divmod(codes, _WINDOW)
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    return pairs[starts], np.add.reduceat(counts / (places + 1), starts)


def _near_pairs(batch: CompactBatch, vocabulary_size: int) -> list[Int64Array]:
    """Return the pairs within rows as pair * _WINDOW + distance - 1; one array per distance."""
    ids = batch.input_ids.astype(np.int64)
    masked_rows = np.repeat(np.arange(len(batch.lengths)), np.diff(batch.masked_offsets))
    ids[batch.offsets[masked_rows] + batch.masked_positions] = batch.masked_ids
    rows = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
    pairs = []
    for distance in range(1, _WINDOW + 1):
        is_inside = rows[distance:] == rows[:-distance]
        first, second = ids[:-distance][is_inside], ids[distance:][is_inside]
        pair = np.minimum(first, second) * vocabulary_size + np.maximum(first, second)
        pairs.append(pair * _WINDOW + distance - 1)
    return pairs


def _positive_information(pairs_Z: Int64Array, counts_Z: Float64Array, size: int) -> _SparseMatrix:
    """Return log(p(a, b) / (p(a) p(b))) where positive, lower for rare pairs; symmetric."""
    first, second = np.divmod(pairs_Z, size)
    is_mirrored = first != second
    rows = np.concatenate([first, second[is_mirrored]])
    columns = np.concatenate([second, first[is_mirrored]])
    counts = np.concatenate([counts_Z, counts_Z[is_mirrored]])
    totals_V = np.bincount(rows, counts, minlength=size)
    smooth_V = totals_V**_SMOOTHING
    expected = totals_V[rows] * smooth_V[columns] / smooth_V.sum()
    information = np.log(counts / expected) * counts / (counts + 1)
    order = np.argsort(rows, kind="stable")
    order = order[information[order] > 0]
    per_row_V = np.bincount(rows[order], minlength=size)
    return _SparseMatrix(
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(per_row_V)])),
        columns=torch.from_numpy(columns[order]),
        values=torch.from_numpy(information[order].astype(np.float32)),
    )


def _largest_factors(matrix: _SparseMatrix, width: int) -> Tensor:
    """Return F of shape V D with F @ F.T near the matrix, its dimensions rotated at random."""
    size = len(matrix.offsets) - 1
    basis = torch.randn(size, min(size, width + _SPARE_DIMENSIONS))
    for _ in range(_ITERATIONS):
        basis, _ = torch.linalg.qr(matrix.times(basis))
    small = basis.T @ matrix.times(basis)
    values, vectors = torch.linalg.eigh((small + small.T) / 2)
    # Fewer than D where the vocabulary is smaller than that.
    factors = basis @ vectors[:, -width:] * values[-width:].clamp_min(0).sqrt()
    turn_DD, _ = torch.linalg.qr(torch.randn(width, width))
    turned_VD: Tensor = factors @ turn_DD[: factors.shape[1]]
    return turned_VD
