"""HTML from any text is well formed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.views.report_html import code_table, details, element, page, tiles
from tests.flows.views.html import parse


@given(st.text())
def test_any_text_is_escaped(text: str) -> None:
    html = page(text, [element("p", text, title=text), element("p", "a", element("b", text), text)])
    html.encode("utf-8")
    checker = parse(html)
    assert checker.tags == ["html", "head", "meta", "meta", "title", "style", "body", "p", "p", "b"]


def test_parts_of_a_page() -> None:
    parts = [tiles([("7", "documents")]), details("more", code_table([("a", "<1>")]))]
    checker = parse(page("title", parts))
    assert checker.tags.count("li") == checker.tags.count("summary") == 1
    assert "7documents" in checker.text
    assert "a<1>" in checker.text
