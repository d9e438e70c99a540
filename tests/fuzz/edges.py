"""Which lines of the project follow each other while something runs: what guides the fuzzing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2] / "bertdata")

Edge = tuple[str, int, int]


@contextlib.contextmanager
def recorded(edges: set[Edge]) -> Iterator[None]:
    """Add to `edges` every step from line to line inside functions of `bertdata`."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(_ROOT):
            return None
        last = 0

        def step(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal last
            edges.add((name, last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
