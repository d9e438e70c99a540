"""The WordPiece vocabulary: pieces and their ids, the special pieces, vocab.txt.

The file format is that of the original BERT: one piece a line in UTF-8, its line number (from 0)
its id, lines ending in "\\n" alone (U+2028 and the like may be pieces).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bertdata.errors import VocabularyError
from bertdata.shards import write_text

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_PIECES = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION_PREFIX = "##"


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

    Raises VocabularyError when a piece is empty, holds a line end or appears twice, or when a
    special piece is missing.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_pieces(self.tokens)
        _check_no_duplicate(self.tokens, self.ids)
        for piece in SPECIAL_PIECES:
            if piece not in self.ids:
                raise VocabularyError(
                    f"the vocabulary lacks the special piece {piece}; add it as a line of its own"
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
        pad, unk, cls, sep, mask = (self.ids[piece] for piece in SPECIAL_PIECES)
        return SpecialIds(pad=pad, unk=unk, cls=cls, sep=sep, mask=mask)

    @cached_property
    def continuation(self) -> npt.NDArray[np.bool_]:
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
        """What stands in vocab.txt: every piece followed by a line end."""
        return "".join(f"{token}\n" for token in self.tokens)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocab.txt.

    Raises VocabularyError when the file cannot be read, is not UTF-8, or is no vocabulary.
    """
    text = _read_text(path)
    if "\r" in text:
        raise VocabularyError(f"{path} has Windows line ends; save it with plain newlines")
    try:
        return Vocabulary(tuple(text.removesuffix("\n").split("\n")))
    except VocabularyError as error:
        raise VocabularyError(f"{path}: {error}") from error


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write a vocab.txt, atomically."""
    write_text(path, vocabulary.to_text())


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise VocabularyError(f"cannot read vocabulary {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise VocabularyError(
            f"vocabulary {path} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error


def _check_pieces(tokens: tuple[str, ...]) -> None:
    for id_, token in enumerate(tokens):
        if not token:
            raise VocabularyError(f"piece {id_} (line {id_ + 1}) is empty; remove the line")
        if "\n" in token:
            raise VocabularyError(f"piece {id_} {token!r} holds a line end; a piece is one line")


def _check_no_duplicate(tokens: tuple[str, ...], ids: Mapping[str, int]) -> None:
    if len(ids) == len(tokens):
        return
    first: dict[str, int] = {}
    for id_, token in enumerate(tokens):
        if token in first:
            raise VocabularyError(
                f"piece {token!r} appears twice, as {first[token]} and {id_}; remove one"
            )
        first[token] = id_
