"""Examples and the tokenizer of the model to start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.errors import ConfigError
from bertdata.reader.example_reader import ExampleReader
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, write_vocabulary
from tests.example_folder import write_folders
from trainer.models.tokenizer_check import check_tokenizer


def test_other_pieces_are_refused_and_no_tokenizer_is_not_checked(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    (tmp_path / "bert").mkdir()
    check_tokenizer(tmp_path / "bert", reader)
    write_vocabulary(tmp_path / "bert/vocab.txt", Vocabulary((*SPECIAL_PIECES, "other")))
    with pytest.raises(ConfigError, match="piece 5 of init_from is 'other', of the examples"):
        check_tokenizer(tmp_path / "bert", reader)
