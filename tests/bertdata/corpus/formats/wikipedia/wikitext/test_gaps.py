"""Words that the page shows apart are never one, and what shows nothing parts none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.corpus.formats.wikipedia.wikitext import clean_wikitext, make_namespaces

GERMAN = make_namespaces([(6, "Datei"), (14, "Kategorie")])

# The page shows something here that is not known, or breaks the line, or leaves room.
SHOWN = [
    "{{x}}",
    "{{x|y\n|z=[[a|b]]}}",
    "{{x|{{y|{{{z|}}}}}}}",
    "{{{1|default}}}",
    "{{#if:{{{1}}}|a|b}}",
    "{{PAGENAME}}",
    "{{convert|10|foo|20|km}}",
    "{{nowrap|{{x}}}}",
    "<math>E = mc^2</math>",
    "<chem>H2O</chem>",
    "<gallery>\nA.jpg\n</gallery>",
    "<table><tr><td>a</td></tr></table>",
    "<syntaxhighlight lang=c>int a;</syntaxhighlight>",
    "<ref>a {{cite|b}}</ref>",
    '<ref name="a" />',
    "<ref>a</ref><ref>b</ref>",
    "<unknown>",
    "[[File:A.jpg|thumb|caption [[a]]]]",
    "[[Datei:A.jpg]]",
    "[http://example.org]",
    "<br>",
    "<br />",
    "<p>",
    "\n{|\n| a\n|}\n",
    "&nbsp;",
    "&thinsp;",
    "&#8195;",
    "&ndash;",
    "{{nbsp}}",
    "{{thinsp}}",
    "{{snd}}",
    "{{Spaced_ndash}}",
    "{{mdash}}",
    "{{·}}",
    "{{break}}",
    "{{-}}",
]
# The page shows nothing here: what stands on both sides may be one word.
HIDDEN = [
    "<!-- a -->",
    "<!--{{x}}-->",
    "<nowiki/>",
    "<nowiki></nowiki>",
    "<i></i>",
    "<b></b>",
    "<span id=a></span>",
    "<noinclude></noinclude>",
    "<includeonly>a</includeonly>",
    "<section begin=a />",
    "<templatestyles src='a.css' />",
    "[[Category:A]]",
    "[[Kategorie:A|B]]",
    "[[de:Seite]]",
    "__NOTOC__",
    "{{anchor|a}}",
    "{{DEFAULTSORT:A}}",
    "{{shy}}",
    "-{H|zh-cn:a;zh-tw:b}-",
]
PAIRS = st.tuples(
    st.sampled_from(["one", "Été", "2", "слово"]), st.sampled_from(["two", "3", "ok"])
)
SPACES = st.sampled_from(["", " "])
PIECES = st.lists(st.sampled_from(SHOWN) | st.sampled_from(HIDDEN) | SPACES, max_size=4)


@settings(max_examples=300)
@given(PAIRS, PIECES)
def test_words_are_one_only_where_nothing_is_shown_between(
    words: tuple[str, str], pieces: list[str]
) -> None:
    left, right = words
    prose = clean_wikitext(f"{left}{''.join(pieces)}{right}", GERMAN)
    parts = re.findall(r"\w+", prose)
    if all(piece in HIDDEN or not piece for piece in pieces):
        assert prose == left + right
    else:
        assert [parts[0], parts[-1]] == [left, right]
        assert len(parts) == 2


@pytest.mark.parametrize("construct", [*SHOWN, *HIDDEN])
@pytest.mark.parametrize(
    "nested", ["{{x|%s}}", "{{x|y=[[a|%s]]}}", "<ref>%s</ref>", "[[File:a|%s]]"]
)
def test_what_is_inside_of_something_removed_parts_nothing_more(
    construct: str, nested: str
) -> None:
    text = f"one{nested % construct}two, three{nested % construct}, four."
    assert clean_wikitext(text, GERMAN) == "one two, three, four."


UNSEEN = [*HIDDEN, *(part for part in SHOWN if part.startswith(("{{x", "{{{", "<ref", "<math")))]


@pytest.mark.parametrize("construct", UNSEEN)
@pytest.mark.parametrize("mark", [",", ".", ";", ")"])
def test_no_space_comes_before_a_stop(construct: str, mark: str) -> None:
    assert clean_wikitext(f"(one{construct}{mark} two", GERMAN) == f"(one{mark} two"


@pytest.mark.parametrize(
    ("wikitext", "prose"),
    [
        ("[[bus]]<nowiki/>es, [[bus]]es", "buses, buses"),
        ("un<!-- -->happy", "unhappy"),
        ("word<ref/>, next.<ref>a</ref>Then", "word, next. Then"),
        ("in [[File:a.jpg]] 2011.[[File:b.jpg|thumb]]Albania", "in 2011. Albania"),
        ("an 15{{x}}km ({{x}}one) “{{x}}two”", "an 15 km (one) “two”"),
        ("東京{{x}}は{{x}}Tower、{{x}}2", "東京はTower、2"),
        ("ภาษา{{x}}ไทย", "ภาษาไทย"),
        ("हिन्दी{{x}}word, 서울{{x}}시", "हिन्दी word, 서울 시"),
        ("one{{x}}({{x}}){{x}}two", "one two"),
        ("10<sup>24</sup>, km<sup>2</sup>, H<sub>2</sub>O, 2<sup>nd</sup>", "10^24, km2, H2O, 2nd"),
        ("List<String>of", "List of"),
    ],
)
def test_gaps(wikitext: str, prose: str) -> None:
    assert clean_wikitext(wikitext) == prose
