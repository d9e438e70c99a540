"""The compiled tokenizer gives the ids of `tokenizers`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.kernels import byte_table
from bertdata.tokens import compiled as compiled_tokenization
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import (
    TokenizationConfig,
)
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, read_vocabulary
from tests import six_languages
from tests.tokenization_cases import CONFIGS, SMALL, expected_ids, texts

LANGUAGES = ("en", "de", "tr", "ko", "zh", "th")


def ids_of(tokenizer: SentenceTokenizer, sentences: list[str]) -> list[list[int]]:
    tokenized = tokenizer.encode(pa.array(sentences, type=pa.string()))
    assert len(tokenized) == len(sentences)
    assert tokenized.offsets[0] == 0
    assert tokenized.offsets[-1] == len(tokenized.ids)
    return [part.tolist() for part in np.split(tokenized.ids, tokenized.offsets[1:])[:-1]]


@pytest.fixture(scope="module")
def uncased(shared_data: Path) -> Vocabulary:
    return read_vocabulary(shared_data / "vocab" / "bert-base-uncased-vocab.txt")


@pytest.fixture(scope="module")
def multilingual(shared_data: Path) -> Vocabulary:
    return read_vocabulary(shared_data / "vocab" / "bert-base-multilingual-cased-vocab.txt")


def test_wordpiece_with_a_tiny_vocabulary() -> None:
    """The example of the original code's tokenization_test.py."""
    vocabulary = Vocabulary(
        (*SPECIAL_PIECES, "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",")
    )
    tokenizer = SentenceTokenizer(vocabulary, TokenizationConfig())
    sentences = ["UNwant\u00e9d,running", "unwantedX running", ""]
    assert ids_of(tokenizer, sentences) == [[9, 6, 7, 12, 10, 11], [1, 10, 11], []]


def test_special_pieces_of_other_letters_in_text_are_plain_text_too() -> None:
    """These are not cut at their marks, and come to `tokenizers` whole."""
    special = ("«pad»", "«unk»", "«cls»", "«sep»", "«mask»")
    vocabulary = Vocabulary((*special, "«", "»", "mask"), special)
    encoder = SentenceTokenizer(vocabulary, TokenizationConfig())
    assert encoder.encode(pa.array(["«mask»"])).ids.tolist() == [5, 7, 6]


def test_special_pieces_in_text_are_plain_text() -> None:
    tokenizer = SentenceTokenizer(SMALL, TokenizationConfig())
    (ids,) = ids_of(tokenizer, ["a [MASK]"])
    assert [SMALL.tokens[id_] for id_ in ids] == ["a", "[", "mask", "]"]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=80, deadline=None)
@given(first=st.lists(texts, max_size=6), second=st.lists(texts, max_size=6))
def test_equals_tokenizers_on_any_text(
    config: TokenizationConfig, first: list[str], second: list[str]
) -> None:
    tokenizer = SentenceTokenizer(SMALL, config)
    for sentences in (first, second, first):
        assert ids_of(tokenizer, sentences) == expected_ids(SMALL, config, sentences)


@settings(max_examples=50, deadline=None)
@given(calls=st.lists(st.lists(texts, max_size=4), max_size=5))
def test_growing_and_forgetting_change_nothing(calls: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_tokenization, "_MAX_PARTS", 3)
        patch.setattr(byte_table, "_FIRST_ROWS", 2)
        patch.setattr(byte_table, "_FIRST_BYTES", 2)
        tokenizer = SentenceTokenizer(SMALL, TokenizationConfig())
        for sentences in calls:
            got = ids_of(tokenizer, sentences)
            assert got == expected_ids(SMALL, TokenizationConfig(), sentences)
            assert tokenizer._parts.table.num_rows <= 3 + len(set("".join(sentences))) * 20


@pytest.mark.parametrize("language", six_languages.LANGUAGES)
def test_pieces_in_six_scripts_are_those_of_the_original(language: str) -> None:
    for name, config in (
        ("uncased", TokenizationConfig()),
        ("cased", TokenizationConfig(lowercase=False)),
    ):
        tokenizer = SentenceTokenizer(six_languages.fixture_vocabulary(name), config)
        for paragraph in six_languages.paragraphs_in(language):
            assert ids_of(tokenizer, paragraph.sentences) == getattr(paragraph, f"{name}_ids")


@pytest.mark.parametrize("language", LANGUAGES)
def test_equals_tokenizers_on_real_text(
    shared_data: Path, uncased: Vocabulary, multilingual: Vocabulary, language: str
) -> None:
    sentences = []
    with gzip.open(shared_data / "parallel-pud" / f"{language}.jsonl.gz", "rt", "utf-8") as lines:
        for line in lines:
            sentences += json.loads(line)["sents"]
    cased = TokenizationConfig(lowercase=False)
    for vocabulary, config in ((uncased, TokenizationConfig()), (multilingual, cased)):
        tokenizer = SentenceTokenizer(vocabulary, config)
        assert ids_of(tokenizer, sentences) == expected_ids(vocabulary, config, sentences)


def test_equals_the_original_on_squad(shared_data: Path, uncased: Vocabulary) -> None:
    path = shared_data / "tokenization-squad"
    path /= "squad_dev_questions_bert_uncased_first_half.jsonl.gz"
    with gzip.open(path, "rt", "utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    tokenizer = SentenceTokenizer(uncased, TokenizationConfig())
    assert ids_of(tokenizer, [row["original"] for row in rows]) == [row["ids"] for row in rows]


def test_ids_are_as_small_as_the_vocabulary_allows(multilingual: Vocabulary) -> None:
    sentences = pa.array(["a b"])
    small = SentenceTokenizer(SMALL, TokenizationConfig()).encode(sentences)
    large = SentenceTokenizer(multilingual, TokenizationConfig()).encode(sentences)
    assert (small.ids.dtype, large.ids.dtype) == (np.uint16, np.uint32)
    assert small.offsets.dtype == np.int64


def test_sliced_and_empty_arrays() -> None:
    tokenizer = SentenceTokenizer(SMALL, TokenizationConfig())
    sliced = tokenizer.encode(pa.array(["a b", "c", "d e"]).slice(1, 1))
    assert sliced.ids.tolist() == [SMALL.ids["c"]]
    empty = tokenizer.encode(pa.array([], type=pa.string()))
    assert (empty.ids.tolist(), empty.offsets.tolist()) == ([], [0])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_tokenization, "_MAX_PARTS", 20)
    tokenizer = SentenceTokenizer(SMALL, TokenizationConfig())
    for sentences in (["é" * 1000], ["ab,"]):
        assert ids_of(tokenizer, sentences) == expected_ids(SMALL, TokenizationConfig(), sentences)
    assert tokenizer._parts.table.num_rows == 2
