"""Paragraphs, sentences, and that they are NLTK's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.errors import ConfigError
from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.splitter import (
    LANGUAGES,
    SentencesConfig,
    SentenceSplitter,
    load_splitter,
)


@pytest.fixture(scope="module")
def english() -> SentenceSplitter:
    return load_splitter("english")


SENTENCES = load_splitter("english")


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("", []),
        (" \n\n\t\r\n ", []),
        ("a\nb", ["a b"]),
        ("a\n\nb", ["a", "b"]),
        ("a\n \t\u3000\nb", ["a", "b"]),
        ("a\n\n\n\n  b\n\n", ["a", "b"]),
        ("a\r\nb", ["a b"]),
        ("a\r\n\r\nb", ["a", "b"]),
        ("a\r\n \r\nb", ["a", "b"]),
        ("a\rb\r\rc", ["a b", "c"]),
        ("a\u2028b\u2028\u2028c", ["a b", "c"]),
        ("a\u2029b\u2029 \u2029c", ["a b", "c"]),
        ("a\x85b\x85\x85c", ["a b", "c"]),
        ("a\n\x0cb", ["a b"]),
        ("a\n\x0c\nb", ["a", "b"]),
        ("a \u00a0 b\x1fc\v\fd", ["a b c d"]),
        ("zero\u200bwidth", ["zero\u200bwidth"]),
        ("\0", ["\0"]),
    ],
)
def test_blank_lines_cut_and_other_white_space_is_one_space(
    text: str, paragraphs: list[str]
) -> None:
    assert list(split_paragraphs(text)) == paragraphs
    assert SENTENCES.split(text) == paragraphs


SPACES = st.sampled_from("\n\r \t\f\v\x1c\x1f\x85\u00a0\u2028\u2029\u3000ab.")


@given(st.text(SPACES, max_size=30))
def test_paragraphs_are_what_the_rule_says(text: str) -> None:
    """The rule, written otherwise: mark the line ends, look at what stands between them."""
    found = list(split_paragraphs(text))
    assert SENTENCES.split(text) == [s for paragraph in found for s in SENTENCES.split(paragraph)]
    for line_end in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(line_end, "\n")
    wanted: list[str] = [""]
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.strip() or number in (0, len(lines) - 1):
            wanted[-1] += f" {line}"
        else:
            wanted.append("")
    collapsed = [" ".join(paragraph.split()) for paragraph in wanted]
    assert found == [paragraph for paragraph in collapsed if paragraph]


def test_white_space_takes_time_in_proportion(english: SentenceSplitter) -> None:
    for space in ("\n", " ", "\r\n", "\n ", "\r", " \n\f"):
        text = "a" + space * 1_000_000 + "b"
        assert len(english.split(text)) in (1, 2)


def test_wrapped_lines_never_end_a_sentence_and_blank_lines_do(english: SentenceSplitter) -> None:
    text = "A heading\n\nDr. Smith  went\nto Washington. He\r\nstayed there"
    assert english.split(text) == [
        "A heading",
        "Dr. Smith went to Washington.",
        "He stayed there",
    ]


def test_real_punctuation(english: SentenceSplitter) -> None:
    text = 'He said "No." Then (she left.) Mr. J. S. Bach wrote 3.5 pages... in the U.S. It rained!'
    assert english.split(text) == [
        'He said "No."',
        "Then (she left.)",
        "Mr. J. S. Bach wrote 3.5 pages... in the U.S.",
        "It rained!",
    ]


def test_each_language_has_its_model() -> None:
    assert len(LANGUAGES) == 19
    german = load_splitter("german")
    assert german.split("Das gilt z.B. am 3. Mai. Es regnet.") == [
        "Das gilt z.B. am 3. Mai.",
        "Es regnet.",
    ]


def test_an_unknown_language_is_answered_with_the_known_ones() -> None:
    for ask in (lambda: SentencesConfig(language="klingon"), lambda: load_splitter("../english")):
        with pytest.raises(ConfigError, match=r"no Punkt model for language .*use one of czech, "):
            ask()


@given(st.text())
def test_sentences_hold_the_text_and_nothing_empty(text: str) -> None:
    sentences = SENTENCES.split(text)
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in sentences)
    assert "".join(sentences).replace(" ", "") == "".join(text.split())


def test_configuration_needs_no_nltk() -> None:
    """A machine that only trains has none, and `--help` has no time for it."""
    code = "import bertdata, bertdata.sentences, sys; sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
