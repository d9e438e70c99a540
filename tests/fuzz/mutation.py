"""Small damage to real bytes: what disks, networks, other programs and people do to files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

MOST_BYTES = 1 << 17
_NUMBERS = (b"0", b"-1", b"1", b"255", b"65536", b"2147483648", b"18446744073709551616", b"9" * 40)
_ODD = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n\n", b"\xed\xa0\x80", b"\xf0\x9f")
_DIGITS = re.compile(rb"\d+")


def mutate(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    """The data changed in one to a few places. `others`: more inputs of the kind; `tokens`: its
    syntax.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = random.choice(_MUTATIONS)(data, others, tokens, random)
    return data[:MOST_BYTES]


def _flip(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _insert(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice((*tokens, *tokens, *_ODD)) + data[at:]


def _repeat(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    piece = random.choice((*tokens, *_ODD, b"a", b" "))
    return data[:at] + piece * random.choice((2, 9, 300, 10_000)) + data[at:]


def _remove(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    start, stop = _range(data, random)
    return data[:start] + data[stop:]


def _double(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    start, stop = _range(data, random)
    return data[:stop] + data[start:]


def _cut(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _noise(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    start, stop = _range(data, random)
    return data[:start] + random.randbytes(min(64, stop - start)) + data[stop:]


def _splice(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    start, stop = _range(other, random)
    at = random.randint(0, len(data))
    return data[:at] + other[start:stop] + data[at:]


def _number(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    match = random.choice(found)
    return data[: match.start()] + random.choice(_NUMBERS) + data[match.end() :]


def _range(data: bytes, random: Random) -> tuple[int, int]:
    """A stretch, short more often than long."""
    start = random.randint(0, len(data))
    return start, min(len(data), start + int(len(data) * random.random() ** 4) + 1)


_Mutation = Callable[[bytes, Sequence[bytes], Sequence[bytes], Random], bytes]
_MUTATIONS: tuple[_Mutation, ...] = (
    *(_flip, _insert, _repeat, _remove, _double, _cut, _noise, _splice, _number),
)
