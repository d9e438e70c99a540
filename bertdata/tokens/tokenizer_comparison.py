"""Whether text is tokenized as the folder of a given vocabulary says.

A model trained on text with capital letters must not get lower-cased text, nor the other way round:
nothing would fail, but all results would be wrong. (The original's
`validate_case_matches_checkpoint`.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from bertdata.config import Table
from bertdata.errors import ConfigError
from bertdata.storage.files import exists
from bertdata.storage.locations import Location
from bertdata.tokens.letter_case import is_cased, is_uncased
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.tokenizer_folder import read_tokenizer
from bertdata.tokens.tokenizer_settings import SETTINGS_NAME, TOKENIZER_NAME, read_settings
from bertdata.tokens.vocabulary import Vocabulary, vocabulary_file

_Value = bool | int | None


def check_tokenization(
    config: TokenizationConfig, source: Location, vocabulary: Vocabulary, *, what: str
) -> list[str]:
    """Raise ConfigError if text is not tokenized as the vocabulary's `source` says.

    `source`: a vocab.txt, a tokenizer.json or a folder with one. `what`: names what has the wrong
    value in the message, such as "[vocab]". Returns possible mistakes, one sentence each.
    """
    file = vocabulary_file(source)
    wanted = _wanted(file, vocabulary)
    if advice := _advice(config, wanted):
        given = _in_effect(config)
        reason = f"{file} has pieces with capital letters"
        if _is_said(file):
            reason = f"{file.parent} says {_to_toml(advice)}"
        raise ConfigError(
            f"{what} has {_to_toml({key: given[key] for key in advice})}, but {reason}; "
            f"set [vocab] {_to_toml(advice)}"
        )
    return [*_notices(config, file, vocabulary)]


def _notices(config: TokenizationConfig, file: Location, vocabulary: Vocabulary) -> Iterator[str]:
    if _is_said(file):
        if words := read_tokenizer(file.parent).added_words():
            yield (
                f"{file.parent} has pieces that were added to it later, such as {words[0]!r}; "
                "examples have them only where they are whole words"
            )
    elif not config.lowercase and is_uncased(vocabulary.tokens):
        yield (
            f"{file} has no piece with a capital, so words that have one become "
            f"{vocabulary.special_pieces[1]}; [vocab] lowercase = true lower-cases the text"
        )


def _wanted(file: Location, vocabulary: Vocabulary) -> dict[str, _Value]:
    """The right values, as far as the folder says them or the vocabulary shows them."""
    if not _is_said(file):
        return {"lowercase": False} if is_cased(vocabulary.tokens) else {}
    tokenizer = read_tokenizer(file.parent)
    if tokenizer.tokenization is None:
        raise ConfigError(
            f"the tokenizer of {file.parent} ({tokenizer.settings.tokenizer_class}) does not cut "
            "text by BERT's rules; use a vocabulary made with them"
        )
    wanted = tokenizer.tokenization
    settings = read_settings(file.parent)
    if settings.lowercase is None:
        wanted = replace(wanted, lowercase=not is_cased(vocabulary.tokens))
    return _in_effect(wanted)


def _advice(config: TokenizationConfig, wanted: Mapping[str, _Value]) -> dict[str, _Value]:
    """The keys to change to get the wanted values; strip_accents follows lowercase unless set."""
    given = _in_effect(config)
    wrong: Table = {
        key: value
        for key, value in wanted.items()
        if given[key] != value and key != "strip_accents"
    }
    changed = _in_effect(replace(config, **wrong))
    return {key: value for key, value in wanted.items() if key in wrong or changed[key] != value}


def _is_said(file: Location) -> bool:
    return file.name == TOKENIZER_NAME or exists(file.parent / SETTINGS_NAME)


def _in_effect(config: TokenizationConfig) -> dict[str, _Value]:
    table = asdict(config)
    if config.strip_accents is None:
        table["strip_accents"] = config.lowercase
    return table


def _to_toml(values: Mapping[str, _Value]) -> str:
    return " and ".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
