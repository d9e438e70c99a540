"""C4's rule for single lines: kept, changed or dropped."""

from __future__ import annotations

import pytest

from bertdata.cleaning.line_rules import LINE_RULES


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("The river runs to the sea.", "The river runs to the sea."),
        ("  The river runs to the sea. \t", "The river runs to the sea."),
        ("The river [1] runs[citation needed] to the sea.[edit]", "The river  runs to the sea."),
        ("The river runs to the sea", ""),  # no end of a sentence
        ("The river runs to the sea...", ""),
        ("The river runs.", ""),  # under five words
        ("He said: “The river runs to the sea.”", "He said: “The river runs to the sea.”"),
        ("The river runs away.", ""),
        ("The river runs away now.", "The river runs away now."),
        (f"The river runs to {'a' * 1000}.", ""),  # with its full stop
        (f"The river runs to {'a' * 999}.", f"The river runs to {'a' * 999}."),
        ("Please enable JavaScript to see this page.", ""),
        ("By reading on you accept our Terms of Use.", ""),
    ],
)
def test_c4_keeps_whole_sentences(line: str, kept: str) -> None:
    assert LINE_RULES["c4"](line) == kept
