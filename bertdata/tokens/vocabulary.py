"""The WordPiece vocabulary: pieces and their ids, the special pieces, the files that hold them.

vocab.txt has the format of the original BERT: UTF-8, one piece per line, whose number (from 0) is
the piece's id. A Hugging Face folder may have the pieces in tokenizer.json instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bertdata.arrays import BoolArray
from bertdata.errors import VocabularyError
from bertdata.storage.files import exists, is_folder
from bertdata.storage.foreign import (
    MAX_PIECES_BYTES,
    parse_foreign_table,
    read_foreign,
    with_way_out,
)
from bertdata.storage.locations import Location, locate
from bertdata.storage.shards import first_line
from bertdata.storage.writing import write_text
from bertdata.tokens.tokenizer_settings import (
    TOKENIZER_NAME,
    VOCABULARY_NAME,
    TokenizerSettings,
    read_settings,
)
from bertdata.tokens.vocabulary_lines import pieces_of_lines, unused_names

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_PIECES = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION_PREFIX = "##"
_MAX_SIZE = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecialIds:
    """The ids of the five special pieces, each from 0 to size - 1."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


@dataclass(frozen=True)
class Vocabulary:
    """Pieces in the order of their ids.

    `special_pieces`: the names of [PAD], [UNK], [CLS], [SEP] and [MASK], in this order. `notes`:
    changes made while reading a file, one sentence each.

    Raises VocabularyError when a piece is empty, contains a line end or occurs twice, or when a
    special piece is missing.
    """

    tokens: tuple[str, ...]
    special_pieces: tuple[str, ...] = SPECIAL_PIECES
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        _check_pieces(self.tokens)
        _check_no_duplicate(self.tokens, self.ids)
        for piece in self.special_pieces:
            if piece not in self.ids:
                raise VocabularyError(
                    f"the vocabulary lacks the special piece {piece}; write it on the line of a "
                    "piece that no text needs, such as [unused0], or on a new last line"
                )

    @property
    def size(self) -> int:
        """The number of pieces."""
        return len(self.tokens)

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The id of each piece."""
        return {token: id_ for id_, token in enumerate(self.tokens)}

    @cached_property
    def special(self) -> SpecialIds:
        """The ids of the special pieces."""
        pad, unk, cls, sep, mask = (self.ids[piece] for piece in self.special_pieces)
        return SpecialIds(pad=pad, unk=unk, cls=cls, sep=sep, mask=mask)

    @cached_property
    def continuation(self) -> BoolArray:
        """bool[size]: whether the piece continues a word, that is, starts with "##"."""
        starts = [token.startswith(CONTINUATION_PREFIX) for token in self.tokens]
        array = np.array(starts, dtype=np.bool_)
        array.flags.writeable = False
        return array

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the bytes of its vocab.txt."""
        return hashlib.sha256(self.to_text().encode("utf-8")).hexdigest()

    def to_text(self) -> str:
        """The content of vocab.txt: each piece, followed by a line end."""
        return "".join(f"{token}\n" for token in self.tokens)


def read_vocabulary(path: str | Location) -> Vocabulary:
    """Read a vocab.txt, a tokenizer.json, or the one of them in a Hugging Face folder.

    `path`: a path or an address. The names of the special pieces are those in the
    tokenizer_config.json beside it. Each piece keeps the id that it has in the file.

    Raises VocabularyError when the file cannot be read, is not UTF-8 or is not a vocabulary.
    """
    path = vocabulary_file(locate(path))
    settings = read_settings(path.parent)
    read = _read_tokenizer_json if path.suffix == ".json" else _read_lines
    pieces, notes = read(path, settings)
    try:
        return Vocabulary(tuple(pieces), settings.special_pieces, tuple(notes))
    except VocabularyError as error:
        raise VocabularyError(f"{path}: {error}") from error


def vocabulary_file(path: Location) -> Location:
    """The file with the pieces: `path`, or the tokenizer.json or vocab.txt of a folder."""
    if not is_folder(path):
        return path
    for name in (TOKENIZER_NAME, VOCABULARY_NAME):
        if exists(path / name):
            return path / name
    raise VocabularyError(
        f"{path} has neither {TOKENIZER_NAME} nor {VOCABULARY_NAME}; "
        "add the one that the model was trained with"
    )


def write_vocabulary(path: Location, vocabulary: Vocabulary) -> None:
    """Write a vocab.txt atomically."""
    write_text(path, vocabulary.to_text())


def _read_lines(path: Location, settings: TokenizerSettings) -> tuple[list[str], list[str]]:
    text = _decode(path, _read(path))
    if (size := text.count("\n")) > _MAX_SIZE:
        raise VocabularyError(f"{path} has {size:,} lines; the maximum is {_MAX_SIZE:,}")
    pieces, notes = pieces_of_lines(text)
    # Pieces that were added to the tokenizer later follow those of vocab.txt.
    added = {id_: piece.content for id_, piece in settings.added_pieces.items()}
    return _fill(dict(enumerate(pieces)) | _beyond(added, len(pieces))), notes


def _read_tokenizer_json(path: Location, _: TokenizerSettings) -> tuple[list[str], list[str]]:
    try:
        table = parse_foreign_table(_read(path))
        pieces = {int(id_): str(piece) for piece, id_ in table["model"]["vocab"].items()}
        added = {int(piece["id"]): str(piece["content"]) for piece in table["added_tokens"]}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise VocabularyError(
            f"{path} has no WordPiece vocabulary; name a vocab.txt, or a tokenizer.json with one"
        ) from error
    return _fill(pieces | added), []


def _beyond(pieces: Mapping[int, str], size: int) -> dict[int, str]:
    return {id_: piece for id_, piece in pieces.items() if id_ >= size}


def _fill(pieces: Mapping[int, str]) -> list[str]:
    """The pieces by id; ids without a piece get one that occurs in no text."""
    unused = unused_names([*pieces.values()])
    size = 1 + max(pieces, default=-1)
    if size > _MAX_SIZE:
        raise VocabularyError(f"a piece has the id {size - 1:,}; the maximum is {_MAX_SIZE - 1:,}")
    return [pieces[id_] if id_ in pieces else next(unused) for id_ in range(size)]


def _read(path: Location) -> bytes:
    try:
        return read_foreign(path, MAX_PIECES_BYTES)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise VocabularyError(f"cannot read vocabulary {path}: {with_way_out(reason)}") from error


def _decode(path: Location, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")  # a byte order mark is not part of a piece
    except UnicodeDecodeError as error:
        raise VocabularyError(
            f"vocabulary {path} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error


def _check_pieces(tokens: tuple[str, ...]) -> None:
    for id_, token in enumerate(tokens):
        if not token:
            raise VocabularyError(
                f"piece {id_} is empty; put a piece that no text needs there, such as [unused0]"
            )
        if "\n" in token or "\r" in token:
            raise VocabularyError(
                f"piece {id_} {token!r} contains a line end; remove it: a piece is one line"
            )


def _check_no_duplicate(tokens: tuple[str, ...], ids: Mapping[str, int]) -> None:
    if len(ids) == len(tokens):
        return
    first: dict[str, int] = {}
    for id_, token in enumerate(tokens):
        if token in first:
            raise VocabularyError(
                f"piece {token!r} appears twice, as {first[token]} and {id_}; put a piece that no "
                "text needs in the place of one, such as [unused0]"
            )
        first[token] = id_
