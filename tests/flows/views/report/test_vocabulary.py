"""Coverage of many words is estimated from some of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bertdata.storage.schema import WORD_COUNTS
from flows.views.report.vocabulary import _sample_words


def test_few_words_are_all_looked_up() -> None:
    counted = pa.table([["a", "b"], [5, 1]], schema=WORD_COUNTS)
    assert _sample_words(counted) is counted


def test_many_words_are_sampled_with_their_weight() -> None:
    number = 200_000
    words = [f"w{place}" for place in range(number)]
    frequencies = [number // (place + 1) + 1 for place in range(number)]
    counted = pa.table([words, frequencies], schema=WORD_COUNTS)
    sample = _sample_words(counted)
    assert len(sample) <= 41_000
    assert sum(sample["count"].to_pylist()) == pytest.approx(sum(frequencies), rel=0.001)
