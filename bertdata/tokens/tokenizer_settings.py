"""The settings of a Hugging Face folder's tokenizer besides its pieces: tokenizer_config.json.

`transformers` builds a BERT tokenizer from these settings, with its defaults for what is missing,
even where tokenizer.json says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tokenizers import AddedToken

from bertdata.config import Table
from bertdata.errors import VocabularyError
from bertdata.storage.files import exists
from bertdata.storage.foreign import read_foreign_table, with_way_out
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line

SETTINGS_NAME = "tokenizer_config.json"
TOKENIZER_NAME = "tokenizer.json"
VOCABULARY_NAME = "vocab.txt"
# Of transformers 4; newer versions store the same in tokenizer_config.json or tokenizer.json.
_SPECIAL_NAME = "special_tokens_map.json"
_ADDED_NAME = "added_tokens.json"
TOKENIZER_FILES = (VOCABULARY_NAME, TOKENIZER_NAME, SETTINGS_NAME, _SPECIAL_NAME, _ADDED_NAME)
SPECIAL_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Their tokenizers differ in name only.
_BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
_ADDED_OPTIONS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_MAX_MEANT_LENGTH = 1 << 40  # a larger model_max_length means "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerSettings:
    """The settings of a folder's tokenizer.

    `tokenizer_class`: transformers' name, without "Fast". `lowercase`: None if the folder does not
    say it; transformers then lower-cases. `strip_accents`: None means the value of `lowercase`.
    `special_pieces`: names of [PAD], [UNK], [CLS], [SEP] and [MASK], in this order.
    `further_special_pieces`: others to recognise in text. `added_pieces`: pieces added to the
    vocabulary later, by id. `splits_special_pieces`: whether special pieces in a text are treated
    as plain text. `max_length`: in pieces; None if the folder does not say it.
    """

    tokenizer_class: str = "BertTokenizer"
    lowercase: bool | None = None
    strip_accents: bool | None = None
    split_chinese_characters: bool = True
    special_pieces: tuple[str, ...] = _SPECIAL_PIECES
    further_special_pieces: tuple[str, ...] = ()
    added_pieces: Mapping[int, AddedToken] = field(default_factory=dict)
    splits_special_pieces: bool = False
    max_length: int | None = None

    @property
    def is_bert(self) -> bool:
        """Whether transformers builds the tokenizer from these settings."""
        return self.tokenizer_class in _BERT_CLASSES


def read_settings(folder: Location) -> TokenizerSettings:
    """The settings in a folder; the defaults where it has none. Raises VocabularyError."""
    try:
        settings = _read_settings(folder)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise VocabularyError(
            f"{folder / SETTINGS_NAME} has an invalid value: {with_way_out(first_line(error))}"
        ) from error
    for name in ("lowercase", "strip_accents"):
        if not isinstance(value := getattr(settings, name), bool | None):
            raise VocabularyError(
                f"{folder / SETTINGS_NAME}: {name} must be true or false, got {value!r}"
            )
    return settings


def _read_settings(folder: Location) -> TokenizerSettings:
    table = {**_read_table(folder / _SPECIAL_NAME), **_read_table(folder / SETTINGS_NAME)}
    name = table.get("tokenizer_class") or _class_of_model(folder) or "BertTokenizer"
    longest = table.get("model_max_length")
    has_length = type(longest) is int and 0 < longest < _MAX_MEANT_LENGTH
    return TokenizerSettings(
        tokenizer_class=str(name).removesuffix("Fast"),
        lowercase=table.get("do_lower_case"),
        strip_accents=table.get("strip_accents"),
        split_chinese_characters=table.get("tokenize_chinese_chars", True) is not False,
        special_pieces=tuple(
            _content(table.get(role)) or piece
            for role, piece in zip(SPECIAL_ROLES, _SPECIAL_PIECES)
        ),
        further_special_pieces=tuple(_further_special_pieces(table)),
        added_pieces=_added_pieces(folder, table),
        splits_special_pieces=table.get("split_special_tokens") is True,
        max_length=longest if has_length else None,
    )


def _class_of_model(folder: Location) -> object:
    try:
        return _read_table(folder / "config.json").get("tokenizer_class")
    except VocabularyError:
        return None  # reading the model reports the same error


def has_tokenizer(folder: Location) -> bool:
    """Whether a folder has pieces of a tokenizer."""
    return any(exists(folder / name) for name in (TOKENIZER_NAME, VOCABULARY_NAME))


def _further_special_pieces(table: Table) -> Iterator[str]:
    for key in ("additional_special_tokens", "extra_special_tokens"):
        listed = table.get(key) or []
        for piece in listed.values() if isinstance(listed, Mapping) else listed:
            if (content := _content(piece)) is not None:
                yield content


def _added_pieces(folder: Location, table: Table) -> dict[int, AddedToken]:
    special = {*_further_special_pieces(table)}
    added = {
        int(id_): AddedToken(piece, special=piece in special, normalized=piece not in special)
        for piece, id_ in _read_table(folder / _ADDED_NAME).items()
    }
    for id_, piece in (table.get("added_tokens_decoder") or {}).items():
        options = {key: piece[key] for key in _ADDED_OPTIONS if key in piece}
        added[int(id_)] = AddedToken(piece["content"], **options)
    return added


def _content(piece: object) -> str | None:
    """The text of a piece, which is written as a string or as a table with the string in it."""
    if isinstance(piece, Mapping):
        piece = piece.get("content")
    return piece if isinstance(piece, str) else None


def _read_table(path: Location) -> Table:
    try:
        return read_foreign_table(path) if exists(path) else {}
    except (OSError, ValueError) as error:
        raise VocabularyError(f"cannot read {path}: {with_way_out(first_line(error))}") from error
