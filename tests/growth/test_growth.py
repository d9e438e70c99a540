"""Text of n bytes costs what grows like n, in every reader, rule, splitter and tokenizer."""

from __future__ import annotations

import pytest

from tests.growth.counting import check_growth, is_counted_by_callgrind
from tests.growth.shapes import SHAPES
from tests.growth.targets import TARGETS

_SIZE = 400 if is_counted_by_callgrind() else 2000


@pytest.mark.parametrize("target", TARGETS)
def test_cost_grows_like_the_text(target: str) -> None:
    TARGETS[target]("A first call. It loads and compiles.")
    for shape, make in SHAPES.items():
        try:
            check_growth(TARGETS[target], make, _SIZE)
        except AssertionError as error:
            pytest.fail(f"{target}, {shape}: {error}")


def test_growth_is_noticed() -> None:
    def compare_all(text: str) -> int:
        return sum(a == b for a in text for b in text)

    with pytest.raises(AssertionError, match="for 8 times as many"):
        check_growth(compare_all, lambda size: "a" * size, 200)
