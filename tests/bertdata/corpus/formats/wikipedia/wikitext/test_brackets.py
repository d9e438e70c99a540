"""Templates, tables and links on one stack."""

from __future__ import annotations

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.brackets import resolve_brackets
from bertdata.corpus.formats.wikipedia.wikitext.marks import GAP, SEAM
from bertdata.corpus.formats.wikipedia.wikitext.namespaces import Namespaces
from tests.growth.counting import check_growth


@pytest.mark.parametrize(
    ("wikitext", "shown"),
    [
        ("a [[page]] b", "a page b"),
        ("a [[page|label]] b", "a label b"),
        ("a [[page (x)|]] b", "a page b"),
        ("a [[File:x.png|thumb|a [[link]] in it]] b", f"a {GAP} b"),
        ("a [[Category:Letters]] b", f"a {SEAM} b"),
        ("a {{unknown|b|{{inner}}}} c", f"a {GAP} c"),
        ("a {{lang|fr|mot}} b", "a mot b"),
        ("{|\n| cell\n{{unknown}}\n|}\nb", f"{GAP}\nb"),
        ("a {{ never closed", "a  never closed"),
        ("a [[ never closed", "a  never closed"),
    ],
)
def test_brackets_become_labels_and_marks(wikitext: str, shown: str) -> None:
    found = resolve_brackets(wikitext, Namespaces())
    assert found.replace("\x05", "").replace("\x06", "") == shown


def test_time_is_linear_in_the_depth() -> None:
    def nest(depth: int) -> str:
        return "[[a|" * depth + "b" + "]]" * depth

    def resolve(text: str) -> None:
        assert resolve_brackets(text, Namespaces()).count("b") == 1

    check_growth(resolve, nest, 3000)
