"""Texts become the ids that transformers' tokenizer gives; what is too long is cut as told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.tokenizer_folders import TEXTS as FOLDER_TEXTS
from tests.tokenizer_folders import Settings, write_folder
from tests.trainer.models.test_bert import make_model
from tests.trainer.task_files import write_model
from trainer.models.export import load_shape
from trainer.texts.encoder import TextEncoder, longest_first, pad

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


def test_a_word_without_pieces_is_unknown(model: Path) -> None:
    """So that every word has its place, and its tag."""
    encoder = TextEncoder(model, 24, load_shape(model))
    (text,) = encoder.encode_words([["good", "\x01", "film"]])
    assert text.ids == [2, 5, 1, 13, 3]
    assert text.word_starts == [1, 2, 3]


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


def test_stored_padding_and_cutting_change_nothing(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    encoder = TextEncoder(model, 64, load_shape(model))
    words = [text.split() for text in TEXTS if text]
    before = encoder.encode(TEXTS), encoder.encode_words(words)
    path = str(model / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path)
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(3)
    tokenizer.save(path)
    encoder = TextEncoder(model, 64, load_shape(model))
    assert (encoder.encode(TEXTS), encoder.encode_words(words)) == before


def test_texts_are_cut_at_the_folder_s_own_length(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    settings = model / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("512", "6"))
    encoder = TextEncoder(model, 12, load_shape(model))
    assert encoder.max_seq_length == 6
    wanted = transformers.AutoTokenizer.from_pretrained(model)(TEXTS, truncation=True)
    assert [text.ids for text in encoder.encode(TEXTS)] == wanted["input_ids"]


def test_unusual_special_pieces_stand_around_texts(tmp_path: Path) -> None:
    settings = Settings(lower=False, special=("<pad>", "<unk>", "<s>", "</s>", "<mask>"))
    folder = write_folder(tmp_path, "5", settings)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    encoder = TextEncoder(folder, 64, make_model(vocab_size=99).config)
    texts = FOLDER_TEXTS[:3]
    assert [text.ids for text in encoder.encode(texts)] == theirs(texts)["input_ids"]
    pairs = encoder.encode_pairs(texts, texts[::-1])
    assert [text.ids for text in pairs] == theirs(texts, texts[::-1])["input_ids"]
    assert encoder.pad_id == theirs.pad_token_id
