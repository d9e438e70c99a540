"""Compiled draws equal those of CounterSource."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertdata.arrays import Float64Array, Int64Array, UInt64Array
from bertdata.kernels.compilation import kernel
from bertdata.kernels.random import below, draw, uniform
from bertdata.randomness import CounterSource


@kernel
def _draw_all(
    key: np.uint64, bound: int, bits: UInt64Array, shares: Float64Array, numbers: Int64Array
) -> None:
    for number in range(len(bits)):
        bits[number] = draw(key, number + 1)
        shares[number] = uniform(key, number + 1)
        numbers[number] = below(key, number + 1, bound)


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**40))
def test_draws_equal_the_plain_source_to_the_last_bit(key: int, bound: int) -> None:
    bits, shares, numbers = np.empty(9, np.uint64), np.empty(9), np.empty(9, np.int64)
    _draw_all(np.uint64(key), bound, bits, shares, numbers)
    plain, uniforms, integers = CounterSource(key), CounterSource(key), CounterSource(key)
    assert bits.tolist() == [plain.next_uint64() for _ in range(9)]
    assert shares.tolist() == [uniforms.random() for _ in range(9)]
    assert numbers.tolist() == [integers.randint(0, bound - 1) for _ in range(9)]
