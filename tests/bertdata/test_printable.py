"""Names and messages that are safe to print."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bertdata.printable import printable


def test_controls_and_lone_surrogates_become_escapes() -> None:
    assert printable("a\nb\x1b[2J\x7f") == r"a\nb\x1b[2J\x7f"
    assert printable("caf\udce9\u2028") == r"caf\udce9\u2028"
    assert printable("Ünïcode 東京") == "Ünïcode 東京"


@given(st.text(st.characters()))
def test_the_result_is_one_line_of_utf8(text: str) -> None:
    shown = printable(text)
    assert shown.encode("utf-8").decode() == shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
