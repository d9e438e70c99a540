"""Apostrophes: markup or text, as MediaWiki's documentation of wikitext says and its pages show."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.corpus.formats.wikipedia.wikitext import clean_wikitext
from bertdata.corpus.formats.wikipedia.wikitext.quotes import remove_quotes

BALANCED = [
    ("''a'' b", "a b"),
    ("'''a''' b", "a b"),
    ("'''''a''''' b", "a b"),
    ("'''''a''' b''", "a b"),
    ("'''''a'' b'''", "a b"),
    ("''a '''b''' c''", "a b c"),
    ("'''a ''b'' c'''", "a b c"),
    ("It's the ''cat's'' don't", "It's the cat's don't"),
]
# Of four the first is text, of more than five all in front of the last five.
LONG_RUNS = [
    ("L''''arpa''' o", "L'arpa o"),
    ("l''''a'''' b", "l'a' b"),
    ("plain '''bold''''s plain", "plain bold's plain"),
    ("''''''six'''''", "'six"),
    ("'''''''seven''''''' a", "''seven'' a"),
    ("''''a''''", "'a'"),
]
# Bold and italics both open at the end of the line: one run of three is an apostrophe and ''.
UNBALANCED = [
    ("narra dell'''Altofiume'' e", "narra dell'Altofiume e"),
    ("La ''Nuage'' et l'''Écho'' ici", "La Nuage et l'Écho ici"),
    ("plain ''italic'''s plain", "plain italic's plain"),
    ("L'''a'' b", "L'a b"),
    ("'''a ''b", "'a b"),
    ("a '''b ''c", "a 'b c"),
    # A single letter is in front of longer words, and they of spaces; the first of each.
    ("x '''y a'''b zz'''c ''d", "x y a'b zzc d"),
    ("x '''y zz'''c d '''e ''f", "x y zz'c d e f"),
    ("zz'''a y b'''c ''d d'''e", "zza y b'c d de"),
    ("x a'''b c'''d e'''f ''g", "x a'b cd ef g"),
    # Only one of them is open, or no run of three is there.
    ("'''a b", "a b"),
    ("a ''b", "a b"),
    ("'''''a b", "a b"),
    ("'''''a''' b", "a b"),
    ("l'''a''' b'''c", "la bc"),
    # Each line by itself.
    ("dell'''A''\nl'''B''", "dell'A\nl'B"),
    ("'''a\n''b", "a\nb"),
]


@pytest.mark.parametrize(("wikitext", "text"), BALANCED + LONG_RUNS + UNBALANCED)
def test_runs_of_apostrophes(wikitext: str, text: str) -> None:
    assert remove_quotes(wikitext) == text
    assert clean_wikitext(wikitext) == text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("L{{'}}'''Aubraie''' est", "L'Aubraie est"),
        ("L<nowiki>'</nowiki>'''anse''' ici", "L'anse ici"),
        ("L'<nowiki/>''anse'' ici", "L'anse ici"),
        ("l&#39;''anse'' ici", "l'anse ici"),
        ("l'<!-- -->''anse ''ici", "l'anse ici"),
        ("l'<b>''anse''</b> ici", "l'anse ici"),
        ("''a''<sub>''b''</sub>", "ab"),
        ("dell'{{lang|it|''opera''}} e", "dell'opera e"),
        ("''Eagle''{{'s}} side, ''GQ''{{'}}s", "Eagle's side, GQ's"),
        ("'''a<br>b'' c'''d ''e", "a\nb cd e"),
        # The label of a link is balanced by itself, and its apostrophes are its own.
        ("''[[a|b']]'' c", "b' c"),
        ("''[[a']]'' c", "a' c"),
        ("'''[[a|''b'' {{x}}c']]''' d", "b c' d"),
        ("[[a|l'''b'']] '''c'''", "l'b c"),
        ("[[Lista d''e paise]]", "Lista d''e paise"),
        ("[http://a.b ''c''] d", "c d"),
    ],
)
def test_apostrophes_beside_other_markup(wikitext: str, text: str) -> None:
    assert clean_wikitext(wikitext) == text


WORDS = st.sampled_from(["a", "bc", "d'e", "é", "f's", " ", " g ", "\n"])
RUNS = st.integers(1, 8).map(lambda length: "'" * length)


@settings(max_examples=300)
@given(st.lists(WORDS | RUNS, max_size=25))
def test_nothing_but_markup_is_lost(pieces: list[str]) -> None:
    wikitext = "".join(pieces)
    text = remove_quotes(wikitext)
    assert text.replace("'", "") == wikitext.replace("'", "")
    for line, shown in zip(wikitext.split("\n"), text.split("\n"), strict=True):
        runs = [len(run) for run in re.findall("'+", line)]
        kept = sum(count_text(length) for length in runs)
        bold = sum(length >= 3 for length in runs)
        italic = sum(length == 2 or length >= 5 for length in runs)
        has_three = any(length in (3, 4) for length in runs)
        assert shown.count("'") == kept + (bold % 2 and italic % 2 and has_three)


def count_text(length: int) -> int:
    """How many of a run of apostrophes are text whatever stands around."""
    if length in (1, 4):
        return 1
    return max(0, length - 5)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(["", "''", "'''", "'''''"]), WORDS), max_size=10))
def test_what_is_closed_leaves_the_words(pieces: list[tuple[str, str]]) -> None:
    words = [word.strip() or "x" for _, word in pieces]
    wikitext = " ".join(quotes + word + quotes for (quotes, _), word in zip(pieces, words))
    assert remove_quotes(wikitext) == " ".join(words)
