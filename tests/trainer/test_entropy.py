"""The yardstick, by hand and from shards."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bertdata.reader import ExampleReader
from tests.example_folder import write_folders
from trainer.entropy import count_masked_pieces, unigram_entropy


def test_entropy_by_hand() -> None:
    assert unigram_entropy(np.array([0, 5])) == 0
    assert unigram_entropy(np.array([3, 3, 0, 3, 3])) == pytest.approx(math.log(4))
    by_hand = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert unigram_entropy(np.array([6, 2])) == pytest.approx(by_hand, abs=1e-15)
    assert unigram_entropy(np.zeros(3, dtype=np.int64)) == 0


def test_counts_are_of_the_original_pieces_of_the_split(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary, split="validation")
    expected = Counter(id_ for row in folders.validation for id_ in row["masked_lm_ids"])
    counts = count_masked_pieces(reader, seed=0)
    assert {i: int(n) for i, n in enumerate(counts) if n} == expected
