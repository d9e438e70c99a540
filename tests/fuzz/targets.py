"""What is fuzzed, each with seeds, the syntax to insert, and what must hold for any bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """`check` gets bytes, a folder of its own and a source of chance, and raises what is wrong."""

    name: str
    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = (b"a",)
    check: Callable[[bytes, Path, Random], None]
