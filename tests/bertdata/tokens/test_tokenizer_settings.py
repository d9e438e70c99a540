"""tokenizer_config.json and the older files beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.errors import VocabularyError
from bertdata.tokens.tokenizer_settings import TokenizerSettings, has_tokenizer, read_settings


def write(folder: Path, **files: object) -> Path:
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def test_an_empty_folder_has_the_defaults_of_bert(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == TokenizerSettings()
    assert read_settings(tmp_path).is_bert
    assert not has_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").touch()
    assert has_tokenizer(tmp_path)


def test_settings_are_read(tmp_path: Path) -> None:
    settings = read_settings(
        write(
            tmp_path,
            tokenizer_config={
                "tokenizer_class": "DistilBertTokenizerFast",
                "do_lower_case": False,
                "strip_accents": True,
                "tokenize_chinese_chars": False,
                "mask_token": {"content": "<mask>"},
                "additional_special_tokens": ["<x>"],
                "split_special_tokens": True,
                "model_max_length": 128,
            },
        )
    )
    assert settings.tokenizer_class == "DistilBertTokenizer"
    assert settings.is_bert
    assert (settings.lowercase, settings.strip_accents) == (False, True)
    assert not settings.split_chinese_characters
    assert settings.special_pieces == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<mask>")
    assert settings.further_special_pieces == ("<x>",)
    assert settings.splits_special_pieces
    assert settings.max_length == 128


def test_files_of_older_versions_are_read_too(tmp_path: Path) -> None:
    settings = read_settings(
        write(
            tmp_path,
            special_tokens_map={"cls_token": "<s>", "additional_special_tokens": ["<y>"]},
            added_tokens={"<y>": 7, "word": 8},
            config={"tokenizer_class": "RobertaTokenizer"},
        )
    )
    assert settings.special_pieces[2] == "<s>"
    added = settings.added_pieces
    assert {id_: (piece.content, piece.special) for id_, piece in added.items()} == {
        7: ("<y>", True),
        8: ("word", False),
    }
    assert not settings.is_bert


def test_a_huge_maximum_length_means_unknown(tmp_path: Path) -> None:
    folder = write(tmp_path, tokenizer_config={"model_max_length": 10**30})
    assert read_settings(folder).max_length is None


def test_values_of_a_wrong_type_are_refused(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_config={"do_lower_case": "yes"})
    with pytest.raises(VocabularyError, match="lowercase must be true or false, got 'yes'"):
        read_settings(tmp_path)
