"""The original BERT's tokenizer in plain Python, for `python -m bertdata.reference`.

Same pieces as `tokenization.py` of github.com/google-research/bert. Two things differ from Hugging
Face `tokenizers`, which runs use: words may have 200 characters instead of 100, and private or
unassigned characters are kept instead of dropped.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from bertdata.errors import VocabularyError
from bertdata.storage.foreign import MAX_PIECES_BYTES, read_foreign, with_way_out

_MAX_WORD_CHARACTERS = 200

# First and last code points of the blocks of Chinese characters.
_CHINESE_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class OriginalTokenizer:
    """Text to ids as the original's `FullTokenizer`.

    `ids` maps pieces to ids in the order of the vocabulary file. As in the original, lines are
    stripped, and if a piece occurs twice, its last line counts.
    """

    def __init__(self, vocab_file: Path, lowercase: bool = True) -> None:
        self.ids = _read_ids(vocab_file)
        self.lowercase = lowercase

    def encode(self, text: str) -> list[int]:
        """The ids of a text's pieces, without special ones."""
        words = _split_words(text, self.lowercase)
        return [self.ids[piece] for word in words for piece in _split_word(word, self.ids)]


def _read_ids(vocab_file: Path) -> dict[str, int]:
    """Piece to line number. Raises VocabularyError when the file or a special piece is missing."""
    try:
        data = read_foreign(vocab_file, MAX_PIECES_BYTES)
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(
            f"cannot read vocabulary {vocab_file}: {with_way_out(str(error))}"
        ) from error
    lines = text.removesuffix("\n").split("\n")
    ids = {line.strip(): number for number, line in enumerate(lines)}
    for piece in ("[UNK]", "[CLS]", "[SEP]", "[MASK]"):
        if piece not in ids:
            raise VocabularyError(f"vocabulary {vocab_file} lacks {piece}; add it as a line")
    return ids


def _split_words(text: str, lowercase: bool) -> list[str]:
    """Words and punctuation marks: cleaned, Chinese apart, lowercased without accents."""
    spaced = "".join(_space(character) for character in text)
    words = spaced.split()
    if lowercase:
        words = [_strip_accents(word.lower()) for word in words]
    return " ".join(part for word in words for part in _split_punctuation(word)).split()


def _strip_accents(text: str) -> str:
    """Text decomposed (NFD), without nonspacing marks: "déjà" to "deja"."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _split_punctuation(word: str) -> Iterator[str]:
    """ "ab,c" to "ab" "," "c"."""
    for is_mark, group in groupby(word, _is_punctuation):
        run = "".join(group)
        yield from run if is_mark else (run,)


def _split_word(word: str, ids: Mapping[str, int]) -> list[str]:
    """Greedy longest match first: "unaffable" to "un" "##aff" "##able", or [UNK]."""
    pieces: list[str] = []
    start = 0
    if len(word) > _MAX_WORD_CHARACTERS:
        return ["[UNK]"]
    while start < len(word):
        piece = _longest_piece(word, start, ids)
        if not piece:
            return ["[UNK]"]
        pieces.append(piece)
        start += len(piece) - (2 if start else 0)
    return pieces


def _longest_piece(word: str, start: int, ids: Mapping[str, int]) -> str | None:
    prefix = "##" if start else ""
    for end in range(len(word), start, -1):
        if (piece := prefix + word[start:end]) in ids:
            return piece
    return None


@lru_cache(maxsize=1 << 16)
def _is_punctuation(char: str) -> bool:
    """Whether a character is a printable ASCII symbol, or of Unicode's categories P."""
    code = ord(char)
    if code < 128:
        return 33 <= code <= 126 and not char.isalnum()
    return unicodedata.category(char).startswith("P")


@lru_cache(maxsize=1 << 16)
def _space(char: str) -> str:
    """One character after cleaning: nothing, a space, itself, or itself between spaces."""
    category = unicodedata.category(char)
    if char in " \t\n\r" or category == "Zs":
        return " "
    if char in "\0\ufffd" or category in ("Cc", "Cf"):
        return ""
    if any(first <= ord(char) <= last for first, last in _CHINESE_BLOCKS):
        return f" {char} "
    return char
