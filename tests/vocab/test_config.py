from __future__ import annotations

from typing import Any

import pytest

from bertdata.config import read_table
from bertdata.errors import ConfigError
from vocab.config import VocabConfig


def test_defaults_are_berts() -> None:
    config = VocabConfig()
    assert (config.size, config.layout, config.file) == (30522, "default", None)
    assert config.tokenization.lowercase
    assert config.tokenization.strip_accents is None


def test_reads_from_a_table_and_gives_tokenization() -> None:
    table = {"lowercase": False, "strip_accents": True, "max_word_characters": 50}
    tokenization = read_table(VocabConfig, table, "[vocab]").tokenization
    assert not tokenization.lowercase
    assert tokenization.strip_accents
    assert tokenization.max_word_characters == 50


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 5}, "vocab size must be from 6"),
        ({"min_frequency": 0}, "min_frequency must be from 1"),
        ({"alphabet_limit": 0}, "alphabet_limit must be from 1"),
        ({"max_word_characters": 0}, "max_word_characters must be from 1"),
        ({"layout": "bert"}, "layout must be one of default, bert-base-uncased; got 'bert'"),
        ({"file": ""}, "vocab file is empty"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VocabConfig(**values)
