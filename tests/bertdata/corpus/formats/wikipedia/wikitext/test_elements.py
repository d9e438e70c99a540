"""Comments, nowiki, and tags."""

from __future__ import annotations

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.elements import (
    remove_comments,
    remove_elements,
    remove_readings,
    remove_tags,
)
from bertdata.corpus.formats.wikipedia.wikitext.marks import BREAK, GAP, JOINT, SEAM, unprotect


def test_comments_are_removed_and_nowiki_is_protected() -> None:
    assert remove_comments("a<!-- b -->c<!-- never closed") == "ac"
    found = remove_comments("<nowiki>[[a]]</nowiki>")
    assert "[" not in found
    assert unprotect(found).strip(JOINT) == "[[a]]"


@pytest.mark.parametrize(
    ("wikitext", "left"),
    [
        ("a<ref>b</ref>c", f"a{GAP}c"),
        ('a<ref name="x"/>c', f"a{GAP}c"),
        ("a<ref>c", f"a{GAP}c"),  # never closed
        ("a<table>b<table>c</table>d</table>e", f"a{GAP}e"),
        ("a<templatestyles src=x/>b", f"a{SEAM}b"),
    ],
)
def test_elements_without_prose_leave_a_mark(wikitext: str, left: str) -> None:
    assert remove_elements(wikitext) == left


def test_readings_of_characters_are_removed() -> None:
    assert remove_readings("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>") == "<ruby>漢</ruby>"


def test_tags_become_marks_and_powers_stay_apart() -> None:
    assert remove_tags("a<b>b</b><br/>c") == f"a{JOINT}b{JOINT}{BREAK}c"
    assert remove_tags("10<sup>6</sup>") == f"10^6{JOINT}"
    assert remove_tags("<unheard-of>") == "<unheard-of>"
    assert remove_tags("<unheardof>") == GAP
