"""Batched masking: equal to the reference, and its shares are the paper's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.errors import ConfigError
from bertdata.examples.masking import MaskingVocabulary, mask_batch, prediction_limits
from bertdata.randomness import CounterSource, derive_key, derive_keys
from bertdata.reference.algorithm import Pair, join_pair, mask_example
from bertdata.reference.config import MaskingConfig
from tests.strategies import MASKING_VOCABULARY, PIECES, masking_configs, pieces

segments = st.lists(pieces, min_size=1, max_size=60)

ROWS, LENGTH, SIZE = 4000, 103, 30_000


def _masked(config: MaskingConfig, vocabulary: MaskingVocabulary):
    ids_BL = np.tile(np.arange(1000, 1000 + LENGTH, dtype=np.uint16), (ROWS, 1))
    ids_BL[:, 0], ids_BL[:, 50], ids_BL[:, -1] = 2, 3, 3
    keys_B = derive_keys(derive_key(1, "test"), np.arange(ROWS))
    lengths_B, starts_B = np.full(ROWS, LENGTH), np.full(ROWS, 51)
    return ids_BL, mask_batch(ids_BL, lengths_B, starts_B, keys_B, config, vocabulary)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(segments, st.lists(pieces, max_size=30)), min_size=1, max_size=5),
    masking_configs,
    st.integers(0, 2**63),
)
def test_equals_the_reference(
    pairs: list[tuple[list[int], list[int]]], config: MaskingConfig, seed: int
) -> None:
    keys_B = derive_keys(derive_key(seed, "test"), np.arange(len(pairs)))
    whole = [join_pair(Pair(a, b, False), PIECES) for a, b in pairs]
    lengths_B = np.array([len(example.input_ids) for example in whole])
    ids_BL = np.zeros((len(whole), lengths_B.max() + 2), dtype=np.uint16)
    for row, example in enumerate(whole):
        ids_BL[row, : lengths_B[row]] = example.input_ids
    starts_B = np.array([example.segment_b_start for example in whole])
    found = mask_batch(ids_BL, lengths_B, starts_B, keys_B, config, MASKING_VOCABULARY)
    for row, example in enumerate(whole):
        expected = mask_example(example, config, PIECES, CounterSource(int(keys_B[row])))
        num = found.num_predictions_B[row]
        assert found.input_ids_BL[row, : lengths_B[row]].tolist() == expected.input_ids
        assert found.positions_BM[row, :num].tolist() == expected.masked_lm_positions
        assert found.label_ids_BM[row, :num].tolist() == expected.masked_lm_ids


def test_shares_are_those_of_the_paper() -> None:
    vocabulary = MaskingVocabulary(mask_id=4, size=SIZE, continuation=np.zeros(SIZE, dtype=bool))
    before_BL, masked = _masked(MaskingConfig(), vocabulary)
    assert (masked.num_predictions_B == 15).all()  # 15% of 103, rounded
    rows = np.arange(ROWS)[:, None]
    shown_BM = masked.input_ids_BL[rows, masked.positions_BM]
    assert (shown_BM == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert (shown_BM == masked.label_ids_BM).mean() == pytest.approx(0.1, abs=0.01)
    assert (masked.label_ids_BM == before_BL[rows, masked.positions_BM]).all()
    replaced = shown_BM[(shown_BM != 4) & (shown_BM != masked.label_ids_BM)]
    assert np.median(replaced) == pytest.approx(SIZE / 2, rel=0.1)  # over the whole vocabulary
    positions = np.bincount(masked.positions_BM.ravel(), minlength=LENGTH)
    assert positions[[0, 50, LENGTH - 1]].tolist() == [0, 0, 0]
    others = np.delete(positions, [0, 50, LENGTH - 1])
    assert others.min() > 450  # 600 expected at each of 100 places
    assert others.max() < 750


def test_words_are_hidden_whole() -> None:
    continuation = np.zeros(SIZE, dtype=bool)
    continuation[1001 : 1000 + LENGTH : 2] = True  # every second piece continues a word
    vocabulary = MaskingVocabulary(mask_id=4, size=SIZE, continuation=continuation)
    _, masked = _masked(MaskingConfig(whole_word_mask=True), vocabulary)
    chosen = np.zeros((ROWS, LENGTH), dtype=bool)
    chosen[np.arange(ROWS)[:, None], masked.positions_BM] = True
    pairs = [(p, p + 1) for p in range(2, 48) if continuation[1000 + p + 1]]
    for first, second in pairs:
        assert (chosen[:, first] == chosen[:, second]).all()


def test_halves_round_to_even_as_in_python() -> None:
    config = MaskingConfig(masked_lm_prob=0.5, max_predictions_per_seq=100)
    lengths = np.arange(1, 60)
    expected = [max(1, round(int(n) * 0.5)) for n in lengths]
    assert prediction_limits(lengths, config).tolist() == expected


def test_impossible_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="masked_lm_prob must be from"):
        MaskingConfig(masked_lm_prob=1.5)
