"""Pages that cost more than their size: each limit, and what must not hide a cost or look like one.

Whether a page is rejected with its place is tested in `test_pages.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from bertdata.corpus.formats.web.page_costs import find_excess, is_deep

PROSE = "The river runs past the old mill and on to the sea, as it has for a thousand years. "
ATTRIBUTES = "a tag with over 1,000 attributes"
OPTIONS = "a list of over 4,000 options"
REPEATED = "too many elements without an end, which every paragraph repeats"
PADDING = "x" * 512


def depth_is_excess(html: str) -> bool:
    return is_deep(HTMLTree.parse(html), html)


def attributes(count: int, first: int = 0) -> str:
    return " ".join(f"a{number}=1" for number in range(first, first + count))


@pytest.mark.parametrize("html", ["", "<", PADDING, "<p", "no tags > at all" * 99, "<!--" * 999])
def test_pages_of_nearly_nothing_are_ordinary(html: str) -> None:
    assert find_excess(html) == ""
    assert not depth_is_excess(html)


# each limit


@pytest.mark.parametrize(("count", "excess"), [(1000, ""), (1001, ATTRIBUTES)])
def test_attributes_of_a_tag(count: int, excess: str) -> None:
    assert find_excess(f"<p {attributes(count)}>x") == excess


@pytest.mark.parametrize("name", ["html", "body"])
def test_attributes_of_all_tags_that_become_one(name: str) -> None:
    tags = f"<{name} {attributes(400)}><p {attributes(900)}><{name} {attributes(600, 400)}>"
    assert find_excess(tags) == ""
    assert find_excess(f"{tags}<{name} b=1>") == ATTRIBUTES


@pytest.mark.parametrize(("count", "excess"), [(4000, ""), (4001, OPTIONS)])
def test_options_of_a_list(count: int, excess: str) -> None:
    whole = "<select>" + "<option>x" * 4000 + "</select>"
    assert find_excess(f"{whole}<select>" + "<option>x" * count) == excess


@pytest.mark.parametrize(("letters", "excess"), [(5025, ""), (5024, REPEATED)])
def test_unclosed_elements_at_each_tag_by_the_length_of_the_page(letters: int, excess: str) -> None:
    """The n-th of 201 tags is inside n - 1 unclosed ones: 20,100 in all, 4 for each letter."""
    page = "".join(f"<b c={number}>" for number in range(201))
    assert find_excess(page + "x" * (letters - len(page))) == excess


@pytest.mark.parametrize(("more", "excess"), [("", ""), ("<p>", REPEATED)])
def test_unclosed_elements_at_each_tag_of_any_page(more: str, excess: str) -> None:
    """Half a million in a page that is long enough for more."""
    tags = [f"<b c={number}>" for number in range(32)]
    assert sum(range(32)) + 16 + 32 * 16_368 == 1 << 19
    page = "".join((*tags[:16], "<p>", *tags[16:], "<p>" * 16_368, more))
    assert find_excess(page + "x" * (1 << 17)) == excess


@pytest.mark.parametrize(("letters", "excess"), [(511, ""), (512, REPEATED)])
def test_small_pages_are_not_looked_at(letters: int, excess: str) -> None:
    page = "".join(f"<b {chr(0x4E00 + number)}>" for number in range(100))
    assert find_excess(page + "x" * (letters - len(page))) == excess


@pytest.mark.parametrize(("depth", "excess"), [(512, False), (513, True)])
def test_elements_inside_others(depth: int, excess: bool) -> None:
    html_and_body = 2
    assert depth_is_excess("<div>" * (depth - html_and_body)) is excess


@pytest.mark.parametrize(("depth", "excess"), [(128, False), (129, True)])
def test_a_page_of_many_tags_may_be_less_deep(depth: int, excess: bool) -> None:
    assert depth_is_excess("<br>" * 40_000 + "<div>" * (depth - 2)) is excess


# what is counted


@pytest.mark.parametrize(
    ("excess", "page"),
    [
        (ATTRIBUTES, f"<p {attributes(1500)}>x"),
        (ATTRIBUTES, f"<P\n{attributes(1500)}/>x"),
        (OPTIONS, "<SELECT>" + "<OPTION value='>'>x" * 5000),
        (REPEATED, "".join(f"<p><b class=c{number}>x" for number in range(3000))),
        # A file may have many small pages.
        (REPEATED, "".join(f"<p><b c={number}>x" for number in range(240))),
    ],
    ids=lambda text: text[:20],
)
def test_pages_that_cost_too_much(excess: str, page: str) -> None:
    assert find_excess(page) == excess


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--</b>-->",
        "<table><td></b></table>",
        "<script>'</b>'</script>",
        "<script><!--<script></script></b>--></script>",
        "<svg><title><div></svg></div></title><style><!--</style></svg></b>--></style>",
    ],
)
def test_ends_that_end_nothing_hide_no_cost(hidden: str) -> None:
    page = "".join(f"<p><b class=c{number}>{hidden}x" for number in range(2000))
    assert find_excess(page) == REPEATED


@pytest.mark.parametrize(
    "inside", ["<!--{}-->", "<script>{}</script>", "<style>{}</style>", "<textarea>{}</textarea>"]
)
def test_tags_that_are_no_tags_cost_nothing(inside: str) -> None:
    page = "".join(f"<b c={number}>" for number in range(1000))
    assert find_excess(page + PADDING) == REPEATED
    assert find_excess(inside.format(page) + PADDING) == ""


@pytest.mark.parametrize("around", ["svg", "math", "select"])
def test_in_a_picture_text_of_a_program_may_be_tags(around: str) -> None:
    page = "".join(f"<b c={number}>" for number in range(1000))
    assert find_excess(f"<{around}><style>{page}</style></{around}>") == REPEATED


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 400 + f"<p>{PROSE}" + "</div>" * 400,
        "".join(f"<p><b class=c{number}>{PROSE}</b></p>" for number in range(3000)),
        f"<p>{PROSE}</p>" + "<select><option>x<option>y</select>" * 9000,
        "<table>" + f"<tr><td><font color=red>{PROSE}" * 3000,
        f"<p>{PROSE}" * 3000,
        "".join(f"<p><font color=c{number}>{PROSE}" for number in range(20)),
        f"<p>{PROSE}</p>" + "<svg><path d='M0 0'/></svg><script>'</b><!--'</script>" * 2000,
    ],
    ids=lambda page: page[:30],
)
def test_long_and_old_fashioned_pages_are_read(page: str) -> None:
    assert find_excess(page) == ""
    tree = HTMLTree.parse(page)
    assert not is_deep(tree, page)
    assert PROSE[:20] in extract_plain_text(tree, main_content=True)


_PARTS = ["<", ">", "</", "b", "p", " c", "=", "'", '"', "<!--", "-->", "<svg>", "<script>", "é"]


@given(st.lists(st.sampled_from(_PARTS), max_size=60), st.sampled_from(["", PADDING]))
def test_any_page_with_few_tags_is_ordinary(parts: list[str], padding: str) -> None:
    assert find_excess("".join(parts) + padding) == ""
