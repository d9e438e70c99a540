"""Characters that are protected from being markup, and marks that no page has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.formats.wikipedia.wikitext.marks import (
    ANY_MARK,
    BREAK,
    GAP,
    JOINT,
    LABEL,
    LABEL_END,
    SEAM,
    protect,
    protect_apostrophes,
    unprotect,
)


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_protected_text_has_no_markup_and_comes_back(text: str) -> None:
    protected = protect(text)
    assert not set("[]{}|'=<>*#:;&_").intersection(protected)
    assert unprotect(protected) == text


def test_apostrophes_alone_are_protected() -> None:
    protected = protect_apostrophes("[[l'eau]]")
    assert "'" not in protected
    assert protected.startswith("[[l")
    assert unprotect(protected) == "[[l'eau]]"


def test_every_mark_is_recognised() -> None:
    for mark in (GAP, SEAM, JOINT, BREAK, LABEL, LABEL_END):
        assert ANY_MARK.fullmatch(mark)
