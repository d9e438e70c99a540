"""MinHash: signatures estimate what texts have in common, and similar ones meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.duplicates import minhash
from bertdata.duplicates.minhash import (
    NUM_BANDS,
    NUM_PLACES,
    estimate_similarity,
    make_band_keys,
    make_signature,
)

WORDS = [f"word{number}" for number in range(600)]


def changed(count: int) -> str:
    words = list(WORDS)
    for number in range(count):
        words[number * len(words) // max(1, count)] = f"other{number}"
    return " ".join(words)


@pytest.mark.parametrize("count", [0, 3, 10, 25, 60])
def test_the_estimate_is_near_the_share_of_common_runs(count: int) -> None:
    first, second = (
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
        for words in (WORDS, changed(count).split())
    )
    exact = len(first & second) / len(first | second)
    estimate = estimate_similarity(make_signature(" ".join(WORDS)), make_signature(changed(count)))
    assert abs(float(estimate) - exact) < 0.12


def test_equal_texts_meet_everywhere_and_others_nowhere() -> None:
    texts = [" ".join(WORDS), " ".join(WORDS).upper().replace(" ", ", "), " ".join(WORDS[::-1])]
    keys = make_band_keys(np.array([make_signature(text) for text in texts]))
    assert keys.shape == (3, NUM_BANDS)
    assert (keys[0] == keys[1]).all()
    assert not (keys[0] == keys[2]).any()


def test_signatures_and_their_keys_never_change() -> None:
    """Which documents are dropped depends on them."""
    signature = make_signature("One two three four five six seven.")
    assert signature[:4].tolist() == [246926242, 904596652, 133732905, 7319050]
    assert signature[-1] == 359705935
    keys = make_band_keys(np.array([signature]))
    assert keys[0, :2].tolist() == [8149786825034911596, 10278708792188757627]
    assert keys[0, -1] == 10828569276957669814


@pytest.mark.parametrize("at_once", [1, 100, 595, 596])
def test_how_many_runs_are_hashed_at_once_changes_nothing(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_signature(" ".join(WORDS))  # of 596 runs
    monkeypatch.setattr(minhash, "_RUNS_AT_ONCE", at_once)
    assert (make_signature(" ".join(WORDS)) == whole).all()


def test_han_and_thai_characters_are_words() -> None:
    for text in ("東京は日本の首都である" * 3, "กรุงเทพมหานครเป็นเมืองหลวง" * 3):
        similar, other = make_signature(text + "終"), make_signature(text[::-1])
        assert estimate_similarity(make_signature(text), similar) > 0.7
        assert estimate_similarity(make_signature(text), other) < 0.3


@given(st.text(max_size=60))
def test_any_text_has_a_signature(text: str) -> None:
    signature = make_signature(text)
    assert signature.shape == (NUM_PLACES,)
    assert (signature == make_signature(text)).all()
