"""Whether examples were made with the vocabulary and the tokenizer of the model to start from."""

from __future__ import annotations

from dataclasses import fields

from bertdata.errors import ConfigError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.locations import Location
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.tokenizer_settings import has_tokenizer
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary


def check_tokenizer(folder: Location, reader: ExampleReader) -> None:
    """Raise ConfigError if the examples have different pieces than a model's folder.

    A folder without a tokenizer is not checked.
    """
    if not has_tokenizer(folder):
        return
    vocabulary = read_vocabulary(folder)
    _check_pieces(folder, vocabulary, reader.vocabulary)
    settings = reader.manifest.inputs["vocabulary"]
    if "lowercase" in settings:
        names = [field.name for field in fields(TokenizationConfig)]
        config = TokenizationConfig(**{name: settings[name] for name in names if name in settings})
        check_tokenization(config, folder, vocabulary, what="the vocabulary of the examples")


def _check_pieces(folder: Location, wanted: Vocabulary, found: Vocabulary) -> None:
    for id_, (piece, other) in enumerate(zip(wanted.tokens, found.tokens)):
        if piece != other:
            raise ConfigError(
                f"piece {id_} of init_from is {piece!r}, of the examples {other!r}: they have "
                f'different vocabularies; make the examples with [vocab] file = "{folder}"'
            )
