"""The compiled splitter equals NLTK's, and its parameters are those of `punkt_tab`."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from bertdata.kernels import byte_table
from bertdata.sentences import compiled as compiled_sentences
from bertdata.sentences.compiled import PunktSplitter
from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.punkt import (
    PunktDecisions,
    UntimedLanguageVars,
    UntimedToken,
    load_parameters,
)
from bertdata.sentences.splitter import LANGUAGES, load_splitter
from tests import six_languages

# Abbreviations, collocations, sentence starters and entries of the orthographic table.
PUNKT_TAB_SIZES = {
    "czech": (118, 96, 54, 52789),
    "danish": (211, 101, 64, 53913),
    "dutch": (99, 37, 54, 32208),
    "english": (156, 37, 39, 20366),
    "estonian": (48, 100, 89, 68544),
    "finnish": (81, 167, 86, 79765),
    "french": (61, 18, 48, 26726),
    "german": (71, 28, 107, 60260),
    "greek": (100, 7, 54, 29624),
    "italian": (125, 6, 40, 29929),
    "malayalam": (285, 153, 14, 10520),
    "norwegian": (106, 54, 63, 54125),
    "polish": (225, 57, 71, 81425),
    "portuguese": (72, 5, 40, 30167),
    "russian": (1989, 0, 0, 1),
    "slovene": (73, 74, 58, 35434),
    "spanish": (66, 7, 46, 27443),
    "swedish": (39, 8, 49, 44485),
    "turkish": (67, 14, 87, 45926),
}
# Characters a shared corpus may give to the slow side of the comparison.
MOST_CHARACTERS = 150_000


def plain_nltk(language: str) -> PunktSentenceTokenizer:
    return PunktSentenceTokenizer(load_parameters(language))


def check_equal(language: str, paragraphs: list[str]) -> int:
    """Compare on a fresh tokenizer, then on one that knows all; the number of sentences."""
    ours, nltk = load_splitter(language), plain_nltk(language)
    wanted = [nltk.tokenize(paragraph) for paragraph in paragraphs]
    for _ in range(2):
        assert ours.split_all(pa.array(paragraphs)).to_pylist() == wanted
    assert [ours.split(paragraph) for paragraph in paragraphs[:50]] == wanted[:50]
    return sum(map(len, wanted))


def paragraphs_of(texts: Iterator[str]) -> list[str]:
    paragraphs, total = [], 0
    for text in texts:
        for paragraph in split_paragraphs(text):
            paragraphs.append(paragraph)
            total += len(paragraph)
            if total > MOST_CHARACTERS:
                return paragraphs
    return paragraphs


def pud_texts(shared_data: Path, code: str) -> Iterator[str]:
    lines = gzip.decompress((shared_data / "parallel-pud" / f"{code}.jsonl.gz").read_bytes())
    for line in lines.splitlines():
        yield json.loads(line)["text"]


def wiki_texts(shared_data: Path, code: str) -> Iterator[str]:
    packed = (shared_data / "wiki-vital" / f"summaries_{code}.json.gz").read_bytes()
    for article in json.loads(gzip.decompress(packed)).values():
        yield article["extract"]


def zip_texts(path: Path, encoding: str = "latin-1") -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".txt"):
                yield archive.read(name).decode(encoding)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_those_of_punkt_tab(language: str) -> None:
    parameters = load_parameters(language)
    assert PUNKT_TAB_SIZES[language] == (
        len(parameters.abbrev_types),
        len(parameters.collocations),
        len(parameters.sent_starters),
        len(parameters.ortho_context),
    )
    assert all(isinstance(pair, tuple) and len(pair) == 2 for pair in parameters.collocations)
    assert all(0 <= flags < 128 and flags % 2 == 0 for flags in parameters.ortho_context.values())


def test_known_entries_of_the_english_tables() -> None:
    parameters = load_parameters("english")
    assert {"dr", "mr", "u.s", "p.m", "inc", "j.p", "sen"} <= parameters.abbrev_types
    assert {"etc", "fig", "no"}.isdisjoint(parameters.abbrev_types)
    assert {"the", "however", "but"} <= parameters.sent_starters


def test_unknown_words_do_not_grow_the_table() -> None:
    parameters = load_parameters("english")
    assert parameters.ortho_context["no-such-word"] == 0
    assert len(parameters.ortho_context) == 20366


@pytest.mark.parametrize("language", six_languages.LANGUAGES)
def test_boundaries_in_six_scripts_are_those_of_nltk(language: str) -> None:
    for paragraph in six_languages.paragraphs_in(language):
        assert load_splitter(paragraph.punkt).split(paragraph.text) == paragraph.sentences
        check_equal(paragraph.punkt, [paragraph.text, *paragraph.sentences])


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("de", "german"),
        ("en", "english"),
        ("tr", "turkish"),
        ("ko", "english"),
        ("th", "english"),
        ("zh", "english"),
    ],
)
def test_equal_on_parallel_news_in_six_scripts(shared_data: Path, code: str, language: str) -> None:
    assert check_equal(language, paragraphs_of(pud_texts(shared_data, code))) > 300


@pytest.mark.parametrize(
    ("code", "language"), [("en-us", "english"), ("fr-fr", "french"), ("es-es", "spanish")]
)
def test_equal_on_wikipedia(shared_data: Path, code: str, language: str) -> None:
    assert check_equal(language, paragraphs_of(wiki_texts(shared_data, code))) > 500


@pytest.mark.parametrize(
    "path",
    [
        "us-presidents/state_union.zip",
        "us-presidents/inaugural.zip",
        "gutenberg-nltk/gutenberg.zip",
        "classification/movie_reviews.zip",
    ],
)
def test_equal_on_books_speeches_and_reviews(shared_data: Path, path: str) -> None:
    assert check_equal("english", paragraphs_of(zip_texts(shared_data / path))) > 500


def test_equal_on_text_of_spaced_tokens(shared_data: Path) -> None:
    text = gzip.decompress((shared_data / "wikitext-2" / "valid.txt.gz").read_bytes()).decode()
    assert check_equal("english", paragraphs_of(iter(text.split("\n")))) > 500


OURS = {language: load_splitter(language) for language in ("english", "german")}
NLTK = {language: plain_nltk(language) for language in OURS}
DECISIONS = {language: PunktDecisions(load_parameters(language)) for language in OURS}
PIECES = st.sampled_from(
    [
        *".?!.?!,;:-\"')(]}“”’«»…",
        *("...", "--", ". . .", "?!", ".)", '."', "!!", ".,", ".-", "co.-"),
        *("Mr.", "U.S.", "e.g.", "The", "the", "However", "He", "a", "A", "J.", "S.", "Bach"),
        *("3", "4.5", "3.", "-2.", "1,000.", "p.m.", "St.", "und", "z.B.", "20.", "Jan.", "Mai"),
        *(
            "\u200b",
            "İ",
            "ß",
            "Ǆ",
            "中文。",
            "ไทย",
            "é",
            "e\u0301",
            "x.y",
            "##number##",
            "\0",
            "ſ.",
        ),
    ]
)
WORDS = st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=5).map("".join)
PARAGRAPHS = st.lists(WORDS, max_size=12).map(lambda words: " ".join(" ".join(words).split()))


@pytest.mark.parametrize("language", OURS)
@settings(max_examples=100, deadline=None)
@given(paragraph=PARAGRAPHS)
def test_equal_on_anything(language: str, paragraph: str) -> None:
    assert OURS[language].split(paragraph) == NLTK[language].tokenize(paragraph)


@settings(max_examples=30, deadline=None)
@given(first=st.sampled_from(sorted(load_parameters("english").abbrev_types)), data=st.data())
def test_equal_around_every_kind_of_known_word(first: str, data: st.DataObject) -> None:
    """What the rules look up: abbreviations, collocations, starters, words of any case record."""
    parameters = NLTK["english"]._params
    pairs = sorted(parameters.collocations)
    before, after = data.draw(st.sampled_from(pairs))
    starter = data.draw(st.sampled_from(sorted(parameters.sent_starters)))
    usual = data.draw(st.sampled_from(sorted(load_parameters("english").ortho_context)))
    for left in (first, before, before.upper(), usual, "x", "4"):
        for right in (after, starter, starter.capitalize(), usual, usual.capitalize()):
            text = " ".join(f"{left}. {right} {left}. {right}, {left}... {right}".split())
            assert OURS["english"].split(text) == NLTK["english"].tokenize(text)


@pytest.mark.parametrize(
    "paragraph",
    [
        "a" * 1_000_000 + ". Next one.",
        "a." * 400_000 + " The",
        "a.)" * 50_000 + " The",
        "!" * 100_000,
        ". " * 5_000 + "A",
        "a." + "'" * 1_000_000 + " A",
        "Yes. " + "-" * 1_000_000,
    ],
    ids=["word", "periods", "brackets", "marks", "spaced", "quotes", "dashes"],
)
def test_equal_on_very_long_words(paragraph: str) -> None:
    nltk = PunktSentenceTokenizer(
        load_parameters("english"), lang_vars=UntimedLanguageVars(), token_cls=UntimedToken
    )
    assert load_splitter("english").split(paragraph) == nltk.tokenize(paragraph)


def test_a_paragraph_too_long_for_nltks_clock() -> None:
    """Plain NLTK gives up after five seconds of it; here its length does not matter."""
    sentence = "Dr. Smith " + "went to Washington and " * 25 + "stayed there. "
    assert len(load_splitter("english").split((sentence * 50_000).strip())) == 50_000


LETTERS = st.text(st.characters(categories=("L",)), min_size=1, max_size=8)


def known_letters(parameters: PunktParameters) -> list[str]:
    """Words of letters that the rules look up, some of those in the orthographic table."""
    words = {*parameters.abbrev_types, *parameters.sent_starters}
    words |= {word for pair in parameters.collocations for word in pair}
    words |= set(sorted(parameters.ortho_context)[::50])
    return sorted(word for word in words if word.isalpha())


KNOWN = {language: known_letters(load_parameters(language)) for language in OURS}


@pytest.mark.parametrize("language", OURS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_words_of_letters_are_described_as_nltk_would(language: str, data: st.DataObject) -> None:
    decisions, known = DECISIONS[language], st.sampled_from(KNOWN[language])
    word = data.draw(LETTERS | known | known.map(str.title))
    (before,), (after,) = decisions._annotate(f"{word}."), decisions._annotate(word)
    assert decisions._features_of_letters_before(word) == decisions._features_before(before)
    assert decisions._features_of_letters_after(word) == decisions._features_after(after)


def test_memory_of_words_is_bounded_and_forgetting_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled_sentences, "_MAX_WORDS", 10)
    monkeypatch.setattr(byte_table, "_FIRST_ROWS", 2)
    monkeypatch.setattr(byte_table, "_FIRST_BYTES", 2)
    splitter = PunktSplitter(PunktDecisions(load_parameters("english")))
    nltk = plain_nltk("english")
    for start in range(0, 200, 20):
        words = (f'word{i}. Next{i}" and{i}.) x.' for i in range(start, start + 20))
        text = " ".join(words) + " " + "w" * 99 + ". A"
        assert splitter.split(pa.array([text])).to_pylist() == [nltk.tokenize(text)]
        assert splitter._before._table.num_rows <= 40


ATOMS = "a B Dr mr The é ﬁ I 1 23 中 ß i p.m etc ª \u0301 -- . ? ! . ' \" , - : ( ) “ ” ’ « _ * @ {"
WORD = st.lists(st.sampled_from(ATOMS.split()), min_size=1, max_size=5).map("".join)


@pytest.mark.parametrize("language", OURS)
@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.lists(WORD, min_size=2, max_size=5).map(" ".join), min_size=20, max_size=40)
)
def test_equal_on_words_with_marks_in_them(language: str, texts: list[str]) -> None:
    wanted = [NLTK[language].tokenize(text) for text in texts]
    assert OURS[language].split_all(pa.array(texts, pa.string())).to_pylist() == wanted


TEXTS = st.lists(PARAGRAPHS | st.sampled_from(["", "\n", "\r\n \n", "\u2028\u2029"]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(TEXTS.map("\n\n".join) | st.text(max_size=20), max_size=5),
    start=st.integers(0, 2),
)
def test_equal_on_many_texts_at_once(texts: list[str], start: int) -> None:
    """Also of an array that begins further back in its buffers."""
    wanted = [
        [s for paragraph in split_paragraphs(text) for s in NLTK["english"].tokenize(paragraph)]
        for text in texts
    ]
    array = pa.array(texts, pa.string())[start:]
    assert OURS["english"].split_all(array).to_pylist() == wanted[start:]


def test_marks_are_nltks() -> None:
    """What compiled code takes for marks, punctuation and closing marks, of all characters."""
    kinds, variables = compiled_sentences._KINDS, UntimedLanguageVars()
    marks = {chr(byte) for byte in range(256) if kinds[byte] & compiled_sentences._SENTENCE_END}
    assert marks == set(variables.sent_end_chars)
    for code in (*range(0xD800), *range(0xE000, 0x10000)):
        character = chr(code)
        text = np.frombuffer(character.encode() + b"\n\n", np.uint8)
        for kind, matched in (
            (compiled_sentences._PUNCTUATION, re.match(variables._re_non_word_chars, character)),
            (compiled_sentences._CLOSING, variables.re_boundary_realignment.match(character)),
        ):
            width = compiled_sentences._punctuation_width(text, 0, kind)
            assert width == (len(character.encode()) if matched else 0)


def test_white_space_is_pythons() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x10000)):
        character = chr(code)
        text = np.frombuffer(character.encode() + b"\n\n", np.uint8)
        width = compiled_sentences._space_width(text, 0)
        assert width == (len(character.encode()) if character.isspace() else 0)
