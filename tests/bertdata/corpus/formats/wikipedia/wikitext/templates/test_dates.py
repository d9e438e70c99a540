"""English templates of dates."""

from __future__ import annotations

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import parse_arguments
from bertdata.corpus.formats.wikipedia.wikitext.templates.dates import show_as_of, show_date


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["1809", "2", "12"], "February 12, 1809"),
        (["1809", "2", "12", "df=yes"], "12 February 1809"),
        (["1809", "2"], "February 1809"),
        (["1809"], "1809"),
        (["1809", "13", "1"], None),
        (["spring"], None),
        ([], None),
    ],
)
def test_a_date_is_shown_as_far_as_it_is_given(parts: list[str], shown: str | None) -> None:
    assert show_date(parse_arguments(parts)) == shown


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["2014", "5"], "As of May 2014"),
        (["2014", "5", "lc=y"], "as of May 2014"),
        (["2014", "5", "9", "since=y"], "Since 9 May 2014"),
        (["2014", "5", "9", "df=US"], "As of May 9, 2014"),
        (["2014", "alt=by then"], "by then"),
        ([], None),
    ],
)
def test_as_of(parts: list[str], shown: str | None) -> None:
    assert show_as_of(parse_arguments(parts)) == shown
