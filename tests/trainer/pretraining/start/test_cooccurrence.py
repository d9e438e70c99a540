"""Embeddings from co-occurrence: counted by hand, factored rightly, near where text is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bertdata.reader.batches import CompactBatch
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from trainer.pretraining.start.cooccurrence import (
    _largest_factors,
    _near_pairs,
    _positive_information,
    _SparseMatrix,
    cooccurrence_embeddings,
)


def make_batch(rows: list[list[int]]) -> CompactBatch:
    """Rows of which the first piece of each is masked (shown as 4)."""
    shown = [[4, *row[1:]] for row in rows]
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return CompactBatch(
        input_ids=np.concatenate(shown).astype(np.uint16),
        offsets=offsets,
        segment_b_starts=np.array([len(row) for row in rows]),
        masked_positions=np.zeros(len(rows), dtype=np.int64),
        masked_ids=np.array([row[0] for row in rows], dtype=np.uint16),
        masked_offsets=np.arange(len(rows) + 1),
        next_sentence_labels=np.zeros(len(rows), dtype=np.int64),
    )


def test_pairs_are_of_originals_within_rows() -> None:
    codes = np.concatenate(_near_pairs(make_batch([[7, 5, 6], [8, 9]]), 10))
    pairs, places = np.divmod(codes, 4)
    found = sorted((int(p) // 10, int(p) % 10, int(d) + 1) for p, d in zip(pairs, places))
    assert found == [(5, 6, 1), (5, 7, 1), (6, 7, 2), (8, 9, 1)]


def test_information_is_positive_and_by_hand() -> None:
    pairs, counts = np.array([0 * 3 + 1, 1 * 3 + 2, 2 * 3 + 2]), np.array([4.0, 1.0, 8.0])
    matrix = _positive_information(pairs, counts, 3)
    totals = np.array([4.0, 5.0, 9.0])
    smooth = totals**0.75
    by_hand = np.zeros((3, 3))
    for a, b, count in ((0, 1, 4.0), (1, 0, 4.0), (1, 2, 1.0), (2, 1, 1.0), (2, 2, 8.0)):
        information = np.log(count / (totals[a] * smooth[b] / smooth.sum()))
        by_hand[a, b] = max(0, information * count / (count + 1))
    assert matrix.times(torch.eye(3)).numpy() == pytest.approx(by_hand, abs=1e-6)


def test_factors_give_the_matrix_back() -> None:
    torch.manual_seed(0)
    parts = torch.randn(40, 5)
    dense = parts @ parts.T
    places = torch.arange(40)
    matrix = _SparseMatrix(torch.arange(41) * 40, places.repeat(40), dense.flatten())
    factors = _largest_factors(matrix, 5)
    torch.testing.assert_close(factors @ factors.T, dense, rtol=1e-3, atol=1e-3)


def test_embeddings_have_unit_mean_square_and_follow_the_seed(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    embeddings = cooccurrence_embeddings(reader, 16, seed=1)
    assert embeddings.shape == (50, 16)
    assert embeddings.square().mean().item() == pytest.approx(1)
    assert torch.equal(embeddings, cooccurrence_embeddings(reader, 16, seed=1))
    assert not torch.equal(embeddings, cooccurrence_embeddings(reader, 16, seed=2))


def test_a_vocabulary_smaller_than_the_width_has_embeddings_too(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    embeddings = cooccurrence_embeddings(reader, 64, seed=1)
    assert embeddings.shape == (50, 64)
    assert embeddings.square().mean().item() == pytest.approx(1)
