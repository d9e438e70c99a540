"""Random choices that depend only on a key: the same for any worker, order and machine.

The source is counter-based: draw number n of a key is a pure function of (key, n), namely
SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
Keys come from `derive_key(seed, purpose, numbers…)`. Integers below n are `int(random() * n)`, so
that plain Python, numpy and compiled code agree to the last bit; the bias is below n / 2**53.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableSequence
from typing import Protocol, Self, TypeVar

import numpy as np

from bertdata.arrays import Float64Array, Int64Array, IntegerArray, UInt64Array

_Item = TypeVar("_Item")

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
FACTOR_1 = 0xBF58476D1CE4E5B9
FACTOR_2 = 0x94D049BB133111EB
_MASK_64 = (1 << 64) - 1
UNIT = 2.0**-53


class RandomSource(Protocol):
    """The random draws that the algorithm needs; `random.Random` has all of them but `child`."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def randint(self, a: int, b: int) -> int:
        """An integer from a to b, both included."""

    def shuffle(self, items: MutableSequence[_Item]) -> None:
        """Reorder `items` in place."""

    def child(self) -> RandomSource:
        """A source of its own for a part of the work."""


class CounterSource:
    """The counter-based source of one key.

    `child` and `shuffle` use one draw of this source each and continue with a key of their own, so
    later draws do not depend on how many draws a part of the work needed.
    """

    def __init__(self, key: int) -> None:
        self.key = key
        self.counter = 0

    def next_uint64(self) -> int:
        """The next 64 random bits."""
        self.counter += 1
        return mix((self.key + self.counter * GOLDEN_GAMMA) & _MASK_64)

    def random(self) -> float:
        """The next number in [0, 1), a multiple of 2**-53."""
        return (self.next_uint64() >> 11) * UNIT

    def randint(self, a: int, b: int) -> int:
        """The next integer from a to b, both included."""
        return a + int(self.random() * (b - a + 1))

    def shuffle(self, items: MutableSequence[_Item]) -> None:
        """Reorder `items` in place, from the front: the first k are final after k draws.

        This is Durstenfeld's form of the Fisher-Yates shuffle, run forwards: a caller that needs
        only the first few items can stop early.
        """
        draws = self.child()
        for i in range(len(items) - 1):
            j = draws.randint(i, len(items) - 1)
            items[i], items[j] = items[j], items[i]

    def child(self) -> Self:
        """A new source, keyed by the next draw of this one."""
        return type(self)(self.next_uint64())


def mix(value: int) -> int:
    """SplitMix64's finalizer: 64 bits in, 64 well-mixed bits out, one to one."""
    value = ((value ^ (value >> 30)) * FACTOR_1) & _MASK_64
    value = ((value ^ (value >> 27)) * FACTOR_2) & _MASK_64
    return value ^ (value >> 31)


def mix_array(values: UInt64Array) -> UInt64Array:
    """`mix` of every element."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FACTOR_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(FACTOR_2)
    return values ^ (values >> np.uint64(31))


def draw_array(keys: UInt64Array, counters: IntegerArray | int) -> UInt64Array:
    """Draw number `counters` (from 1 on) of each key, as CounterSource.next_uint64 returns it."""
    steps = np.asarray(counters, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
    return mix_array(keys + steps)


def uniform_array(keys: UInt64Array, counters: IntegerArray | int) -> Float64Array:
    """Draw number `counters` of each key, as CounterSource.random returns it: in [0, 1)."""
    return (draw_array(keys, counters) >> np.uint64(11)).astype(np.float64) * UNIT


def derive_key(seed: int, purpose: str, *numbers: int) -> int:
    """The 64-bit key of one purpose and its numbers (pass, document id, …)."""
    key = mix((seed ^ stable_hash(purpose)) & _MASK_64)
    for number in numbers:
        key = mix((key + GOLDEN_GAMMA) & _MASK_64 ^ mix(number & _MASK_64))
    return key


def derive_keys(key: int | UInt64Array, numbers: IntegerArray) -> UInt64Array:
    """`derive_key`'s last step for many numbers at once: derive_key(…, n) from derive_key(…).

    `key`: one key for all numbers, or one per number.
    """
    base = np.atleast_1d(np.asarray(key, dtype=np.uint64)) + np.uint64(GOLDEN_GAMMA)
    return mix_array(base ^ mix_array(numbers.astype(np.uint64)))


def permutation(size: int, key: int) -> Int64Array:
    """The numbers below `size` in the random order of a key: sorted by hash, no two equal."""
    return np.argsort(derive_keys(key, np.arange(size)), kind="stable")


def stable_hash(*parts: str | bytes) -> int:
    """64 bits of BLAKE2b over the parts; the same on every machine and in every version."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return int.from_bytes(digest.digest(), "little")
