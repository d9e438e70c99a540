"""The `[vocab]` table: how words become a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bertdata.config import check_choices, check_range
from bertdata.errors import ConfigError
from bertdata.tokens.tokenizer import TokenizationConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabConfig:
    """How words become a vocabulary. Raises ConfigError on a value out of range.

    `size`: the exact number of pieces, including special ones. `lowercase`: whether words are
    lower-cased. `strip_accents`: whether "é" becomes "e". `split_chinese_characters`: whether each
    Chinese character is a word. `max_word_characters`: longer words become [UNK]. `min_frequency`:
    rarer pairs of pieces are never merged. `alphabet_limit`: maximum number of characters.
    `layout`: ids of the special pieces ("bert-base-uncased": those of the original). `file`: a
    vocabulary to use instead of training one: a vocab.txt, a tokenizer.json or the folder of a
    Hugging Face BERT; each piece keeps its id.
    """

    size: int = 30522
    lowercase: bool = True
    strip_accents: bool | None = None
    split_chinese_characters: bool = True
    min_frequency: int = 2
    alphabet_limit: int = 1000
    layout: Literal["default", "bert-base-uncased"] = "default"
    file: str | None = None
    max_word_characters: int = 100

    def __post_init__(self) -> None:
        check_range("vocab size", self.size, 6, 1 << 24)
        check_range("min_frequency", self.min_frequency, 1, 1 << 62)
        check_range("alphabet_limit", self.alphabet_limit, 1, 0x110000)
        check_range("max_word_characters", self.max_word_characters, 1, 10_000)
        check_choices(self)
        if self.file == "":
            raise ConfigError("vocab file is empty; name a vocab.txt or leave the key out")

    @property
    def tokenization(self) -> TokenizationConfig:
        """How text is tokenized with this vocabulary."""
        return TokenizationConfig(
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            split_chinese_characters=self.split_chinese_characters,
            max_word_characters=self.max_word_characters,
        )
