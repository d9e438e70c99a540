"""Texts become the ids that transformers' tokenizer gives; what is too long is cut as told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.task_files import write_model
from trainer.export import load_shape
from trainer.text_input import TextEncoder, longest_first, pad

transformers = pytest.importorskip("transformers")

TEXTS = ["good", "", "the film was very goods.", "BAD; a\u0301 story [MASK] ing"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def theirs(model: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(model)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 50))
def test_the_longer_one_is_cut_first(a: int, b: int, most: int) -> None:
    first, second = a, b
    while first + second > most:  # the original's _truncate_seq_pair
        if first > second:
            first -= 1
        else:
            second -= 1
    assert longest_first(a, b, most) == (first, second)


def test_ids_equal_those_of_transformers(model: Path, theirs: Any) -> None:
    encoder = TextEncoder(model, 12, load_shape(model))
    singles = theirs(TEXTS, truncation=True, max_length=12)
    assert [text.ids for text in encoder.encode(TEXTS)] == singles["input_ids"]
    pairs = theirs(TEXTS, TEXTS[1:] + TEXTS[:1])
    found = TextEncoder(model, 64, load_shape(model)).encode_pairs(TEXTS, TEXTS[1:] + TEXTS[:1])
    assert [text.ids for text in found] == pairs["input_ids"]
    batch = pad(found, pad_id=encoder.pad_id, device=torch.device("cpu"))
    padded = theirs(TEXTS, TEXTS[1:] + TEXTS[:1], padding=True, return_tensors="pt")
    assert torch.equal(batch.input_ids_BL, padded["input_ids"])
    assert torch.equal(batch.token_type_ids_BL, padded["token_type_ids"])
    assert batch.real_BL is not None
    assert torch.equal(batch.real_BL, padded["attention_mask"].bool())


def test_nothing_is_masked_where_nothing_is_padded(model: Path) -> None:
    encoder = TextEncoder(model, 12, load_shape(model))
    assert pad(encoder.encode(["good"] * 3), pad_id=0, device=torch.device("cpu")).real_BL is None


def test_what_is_cut_is_counted(model: Path) -> None:
    encoder = TextEncoder(model, 8, load_shape(model))
    single, pair = encoder.encode(["good " * 9])[0], encoder.encode_pairs(["bad"], ["good " * 9])[0]
    assert (len(single.ids), single.num_cut) == (8, 3)
    assert (len(pair.ids), pair.num_cut, pair.segment_b_start) == (8, 5, 3)


def test_words_start_where_transformers_says(model: Path, theirs: Any) -> None:
    texts = [["goods", "film", "Bad.", "xyz"], ["was"], ["the", "\u200b", "bads"]]
    found = TextEncoder(model, 64, load_shape(model)).encode_words(texts)
    for words, text in zip(texts[:2], found):
        wanted = theirs(words, is_split_into_words=True)
        assert text.ids == wanted["input_ids"]
        ids = wanted.word_ids()
        assert text.word_starts == [ids.index(word) for word in range(len(words))]
    # A word without pieces still has its place.
    assert len(found[2].word_starts) == 3
    assert TextEncoder(model, 5, load_shape(model)).encode_words([["goods", "bads"]])[
        0
    ].word_starts == [1, 3]
    assert TextEncoder(model, 4, load_shape(model)).encode_words([["goods", "bads"]])[
        0
    ].word_starts == [1]


def test_a_folder_without_tokenizer_json_follows_the_original(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    before = TextEncoder(model, 64, load_shape(model)).encode(TEXTS[:3])
    (model / "tokenizer.json").unlink()
    assert TextEncoder(model, 64, load_shape(model)).encode(TEXTS[:3]) == before
