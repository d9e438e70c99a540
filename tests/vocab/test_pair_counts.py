"""Counts of pairs, against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.pair_counts import PAIR_SHIFT, PairCounts, split_pair

ids = st.one_of(st.integers(0, 3), st.integers(0, 2**31 - 1))
pairs = st.builds(lambda left, right: (left << PAIR_SHIFT) + right, ids, ids)
batches = st.lists(st.dictionaries(pairs, st.integers(1, 2**50), max_size=40), max_size=4)


def arrays(table: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([*table], np.int64), np.array([*table.values()], np.int64)


@settings(max_examples=60, deadline=None)
@given(batches=batches, lowered=st.dictionaries(pairs, st.integers(1, 9)), least=st.integers(1, 9))
def test_equals_a_dict(batches: list[dict[int, int]], lowered: dict[int, int], least: int) -> None:
    counts, expected = PairCounts(num_slots=2), dict[int, int]()
    for batch in batches:
        new = {pair: count for pair, count in batch.items() if pair not in expected}
        counts.insert(*arrays(new))
        expected |= new
    for pair in list(expected)[::3]:
        counts.remove(pair)
        expected[pair] = 0
    counts.subtract(*arrays(lowered))
    expected = {pair: count - lowered.get(pair, 0) for pair, count in expected.items()}
    assert {pair: counts[pair] for pair in [*expected, *lowered]} == dict.fromkeys(
        lowered, 0
    ) | expected
    found, values = counts.at_least(least)
    frequent = {pair: count for pair, count in expected.items() if count >= least}
    assert dict(zip(found.tolist(), values.tolist())) == frequent


@given(left=ids, right=ids)
def test_a_pair_is_two_ids(left: int, right: int) -> None:
    assert split_pair((left << PAIR_SHIFT) + right) == (left, right)
