"""The counter-based source: fixed for ever, equal in plain Python and numpy, and fair."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.randomness import (
    CounterSource,
    derive_key,
    derive_keys,
    draw_array,
    mix,
    mix_array,
    permutation,
    stable_hash,
    uniform_array,
)
from tests.strategies import keys


def test_splitmix64_returns_the_published_sequence() -> None:
    # First outputs for seed 1234567, as in the public-domain C version by Vigna.
    source = CounterSource(1234567)
    assert [source.next_uint64() for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_keys_and_hashes_never_change() -> None:
    assert stable_hash("wiki", "Paris") == 0x1E21D34B2FAD09C7
    assert derive_key(12345, "pairs", 0, 7) == 0xDCCD1CD2447373FA


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ((1, "pairs", 0, 7), 0xD8910CC44871D507),
        ((2, "pairs", 0, 7), 0x0B1407DBF6EDE148),
        ((1, "masks", 0, 7), 0x6988822BBBCB13FE),
        ((1, "pairs", 1, 7), 0xA7B5067F5A515555),
        ((1, "pairs", 0, 8), 0x3C3A884B4E40E302),
        ((1, "pairs", 7, 0), 0x98EFD12A4577E3BD),
        ((1, "pairs", 0), 0x781C00BA6609136B),
        ((1, "pairs"), 0x3668028957FE1D2C),
    ],
)
def test_each_part_of_a_key_counts_and_its_place_too(parts: tuple[int, str, int], key: int) -> None:
    assert derive_key(*parts) == key


def test_hashes_know_where_a_part_ends() -> None:
    assert stable_hash("ab", "c") == 0x090CA65598F9ACBD
    assert stable_hash("a", "bc") == 0xE60C765B934485C6
    assert stable_hash(b"abc") == stable_hash("abc") == 0x653D6A764563050B
    assert stable_hash("\ud800") == 0xCD6238D04F9715B7  # a name that is not UTF-8


def test_orders_never_change() -> None:
    assert permutation(8, 5).tolist() == [4, 6, 0, 5, 2, 1, 3, 7]
    assert permutation(8, 6).tolist() == [2, 4, 3, 5, 6, 1, 0, 7]
    source, items = CounterSource(5), [*range(8)]
    source.shuffle(items)
    assert items == [7, 1, 0, 6, 4, 2, 5, 3]
    assert [source.randint(0, 9) for _ in range(8)] == [7, 2, 0, 1, 3, 9, 5, 4]
    assert source.random() == 0.6034405546675778


@given(keys, st.integers(1, 2**40))
def test_arrays_equal_plain_python(key: int, counter: int) -> None:
    array = np.array([key], dtype=np.uint64)
    assert mix_array(array)[0] == mix(key)
    source = CounterSource(key)
    source.counter = counter - 1
    assert draw_array(array, counter)[0] == source.next_uint64()
    source.counter = counter - 1
    assert uniform_array(array, counter)[0] == source.random()


@given(st.integers(0, 2**63), st.lists(keys, min_size=1, max_size=5))
def test_derive_keys_is_the_last_step_of_derive_key(seed: int, numbers: list[int]) -> None:
    array = np.array(numbers, dtype=np.uint64)
    expected = [derive_key(seed, "purpose", 3, number) for number in numbers]
    assert derive_keys(derive_key(seed, "purpose", 3), array).tolist() == expected


@given(keys, st.integers(-5, 5), st.integers(0, 100))
def test_randint_keeps_its_bounds(key: int, low: int, span: int) -> None:
    source = CounterSource(key)
    assert all(low <= source.randint(low, low + span) <= low + span for _ in range(20))


@given(keys, st.lists(st.integers(), max_size=30))
def test_shuffle_keeps_the_items_and_uses_one_draw(key: int, items: list[int]) -> None:
    source = CounterSource(key)
    shuffled = list(items)
    source.shuffle(shuffled)
    assert sorted(shuffled) == sorted(items)
    assert source.counter == 1


def test_shuffle_draws_every_order_alike() -> None:
    orders: Counter[tuple[int, ...]] = Counter()
    for key in range(12_000):
        items = [0, 1, 2]
        CounterSource(mix(key)).shuffle(items)
        orders[tuple(items)] += 1
    assert len(orders) == 6
    assert all(1800 < count < 2200 for count in orders.values())


def test_uniforms_are_flat() -> None:
    numbers = uniform_array(np.array([99], dtype=np.uint64), np.arange(1, 100_001))
    histogram, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert abs(histogram - 10_000).max() < 400
