"""The yardstick, by hand and from shards."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import Folders, write_folders
from trainer.pretraining.measures.piece_counts import count_masked_pieces
from trainer.pretraining.measures.yardstick import (
    Mean,
    Yardstick,
    clustered_mean,
    measure_yardstick,
    unigram_losses,
)


def open_split(folders: Folders, split: str) -> ExampleReader:
    return ExampleReader(folders.examples, folders.vocabulary, split=split)  # type: ignore[arg-type]


def test_losses_of_smoothed_frequencies_by_hand() -> None:
    losses = unigram_losses(np.array([0, 5, 2]))
    assert losses == pytest.approx([math.log(10), math.log(10 / 6), math.log(10 / 3)])


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_the_training_frequencies_are_scored_on_validation(tmp_path: Path, masking: str) -> None:
    config = {"masking": masking, "masked_lm_prob": 0.15, "max_predictions_per_seq": 5}
    folders = write_folders(tmp_path, config={**config, "whole_word_mask": False})
    train, validation = open_split(folders, "train"), open_split(folders, "validation")
    found = measure_yardstick(train, validation, np.zeros(validation.num_rows), seed=3)
    losses = unigram_losses(count_masked_pieces(train, seed=3))
    counts = count_masked_pieces(validation, seed=3)
    assert found is not None
    assert found.unigram_loss.value == pytest.approx(losses @ counts / counts.sum())
    assert found.below.value == found.unigram_loss.value  # of a model that is always right
    assert (found.num_pieces, found.num_documents) == (counts.sum(), 9)
    # What the validation pieces' own frequencies would reach is out of reach.
    shares = counts[counts > 0] / counts.sum()
    assert found.unigram_loss.value > -(shares * np.log(shares)).sum()


def test_errors_count_documents_not_pieces() -> None:
    sums, counts = np.array([2.0, 4.0]), np.array([1, 1])
    assert clustered_mean(sums, counts, [7, 8]) == Mean(value=3.0, error=1.0)
    # The same documents in many more rows of many more pieces say no more.
    many = clustered_mean(sums.repeat(50), counts.repeat(50), [7] * 50 + [8] * 50)
    assert many == Mean(value=3.0, error=1.0)
    assert clustered_mean(sums, counts, [7, 7]) == Mean(value=3.0, error=None)


def test_errors_are_as_large_as_the_means_are_spread() -> None:
    """Means of many samples of documents spread by the error that one sample tells."""
    draws = np.random.default_rng(5)
    found = []
    for _ in range(400):
        sizes = draws.integers(1, 60, 40)
        levels = draws.normal(6, 1, 40)
        found.append(clustered_mean(sizes * levels, sizes, list(range(40))))
    errors = [mean.error for mean in found if mean.error is not None]
    assert np.mean(errors) == pytest.approx(np.std([mean.value for mean in found]), rel=0.15)


@pytest.mark.parametrize(
    ("documents", "below", "error", "expected"),
    [
        (10, 0.0, 0.1, True),
        (9, 1.0, 0.01, False),
        (500, 0.15, 0.11, False),
        (500, -1.0, 0.25, True),
        (500, 1.0, 0.26, False),
        (1, 1.0, None, False),
    ],
)
def test_few_documents_or_a_wide_error_are_not_reliable(
    documents: int, below: float, error: float | None, expected: bool
) -> None:
    loss = Mean(value=6.0, error=0.5)  # of documents that differ, as long as both models feel it
    found = Yardstick(
        unigram_loss=loss,
        mlm_loss=loss,
        below=Mean(value=below, error=error),
        num_pieces=9,
        num_documents=documents,
    )
    assert found.is_reliable is expected


def test_nothing_to_predict(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_validation=0)
    train, validation = open_split(folders, "train"), open_split(folders, "validation")
    assert measure_yardstick(train, validation, np.zeros(0), seed=0) is None
