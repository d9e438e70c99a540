"""The same examples in every run, whatever else was imported before."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st


def draw_examples() -> list[object]:
    """All that a test of its own is given."""
    found: list[object] = []

    @given(st.text(), st.integers(), st.binary())
    def keep(text: str, number: int, data: bytes) -> None:
        found.append((text, number, data))

    keep()
    return found


def test_examples_do_not_depend_on_what_is_imported(tmp_path: Path) -> None:
    first = draw_examples()
    path = tmp_path / "constants_of_mine.py"
    path.write_text("\n".join(f"x{n} = 'constant number {n}', {n * 7919}" for n in range(500)))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        assert draw_examples() == first
    finally:
        del sys.modules[path.stem]
    assert len(first) > 50
