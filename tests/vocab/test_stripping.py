"""Accent stripping is reported if it removes more than accents."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bertdata.tokens.tokenizer import TokenizationConfig, build_normalizer
from vocab.stripping import StrippedWords, count_stripped, describe_stripped, strip

HINDI = "यह हिन्दी का एक वाक्य है।"
THAI = "ภาษาไทย มีสระ อยู่บน ตัวอักษร"
JAPANESE = "これが かな です。"
BENGALI = "এটি একটি বাংলা বাক্য।"
RUSSIAN = "мой дом чай"


@pytest.mark.parametrize("text", [HINDI, THAI, JAPANESE, BENGALI, RUSSIAN])
def test_scripts_whose_marks_are_letters_are_reported(text: str) -> None:
    counts = count_stripped(pa.array([text, "and some English"] * 3), TokenizationConfig())
    assert 0 < counts.changed < counts.words
    said = describe_stripped([counts, StrippedWords()])
    assert said is not None
    assert f'"{counts.example}" becomes "{strip(counts.example)}"' in said
    assert "[vocab] strip_accents = false" in said
    normalize = build_normalizer(TokenizationConfig()).normalize_str
    assert strip(counts.example) in strip(normalize(text))


@pytest.mark.parametrize("text", [HINDI, THAI, JAPANESE, BENGALI, RUSSIAN])
def test_what_the_line_advises_keeps_the_marks(text: str) -> None:
    for kept in (TokenizationConfig(strip_accents=False), TokenizationConfig(lowercase=False)):
        assert describe_stripped([count_stripped(pa.array([text]), kept)]) is None
        assert build_normalizer(kept).normalize_str(text).split() == text.split()
    both = TokenizationConfig(lowercase=False, strip_accents=True)
    assert describe_stripped([count_stripped(pa.array([text]), both)]) is not None


@pytest.mark.parametrize(
    "text", ["été über señor", "plain", "", "한국어 문장", "中文 句子", "ca\u0300"]
)
def test_where_only_accents_go_nothing_is_reported(text: str) -> None:
    assert describe_stripped([count_stripped(pa.array([text]), TokenizationConfig())]) is None


def test_a_few_foreign_words_are_not_worth_a_line() -> None:
    counts = [StrippedWords(words=1000, changed=10, example="й")]
    assert describe_stripped(counts) is None
    assert describe_stripped([*counts, StrippedWords(words=1, changed=1, example="й")]) is not None
    assert describe_stripped([]) is None
