"""The draws of `bertdata.randomness.CounterSource` for compiled code, equal to the last bit."""

from __future__ import annotations

import numpy as np

from bertdata.kernels.compilation import inlined
from bertdata.randomness import FACTOR_1, FACTOR_2, GOLDEN_GAMMA, UNIT

_GAMMA = np.uint64(GOLDEN_GAMMA)
_FACTOR_1 = np.uint64(FACTOR_1)
_FACTOR_2 = np.uint64(FACTOR_2)


@inlined
def draw(key: np.uint64, counter: int) -> np.uint64:
    """Draw number `counter` (from 1 on) of a key: 64 bits."""
    value = key + np.uint64(counter) * _GAMMA
    value = (value ^ (value >> np.uint64(30))) * _FACTOR_1
    value = (value ^ (value >> np.uint64(27))) * _FACTOR_2
    return value ^ (value >> np.uint64(31))


@inlined
def uniform(key: np.uint64, counter: int) -> float:
    """Draw number `counter` of a key, in [0, 1)."""
    return np.float64(draw(key, counter) >> np.uint64(11)) * UNIT


@inlined
def below(key: np.uint64, counter: int, bound: int) -> int:
    """Draw number `counter` of a key, an integer from 0 to bound - 1."""
    return np.int64(uniform(key, counter) * bound)  # type: ignore[return-value]
