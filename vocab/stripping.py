"""What accent stripping removes from text in scripts other than Latin.

BERT's rule removes combining marks: from "é" the accent, but from Hindi and Thai words vowels, from
Japanese kana the marks that distinguish "ga" from "ka", and from Russian "й" a part of the letter.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable

import pyarrow as pa
from tokenizers import pre_tokenizers

from bertdata.tokens.tokenizer import TokenizationConfig, build_normalizer

_MIN_SHARE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StrippedWords:
    """Of `words` words, `changed` lose marks of scripts other than Latin, such as `example`."""

    words: int = 0
    changed: int = 0
    example: str = ""


def count_stripped(sentences: pa.StringArray, config: TokenizationConfig) -> StrippedWords:
    """Count the words of some sentences that change; all 0 if accents are kept."""
    if not _strips_accents(config):
        return StrippedWords()
    normalizer = build_normalizer(dataclasses.replace(config, strip_accents=False))
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = changed = 0
    example = ""
    for sentence in sentences.to_pylist():
        if sentence.isascii():
            words += len(sentence.split())
            continue
        found = [word for word, _ in split(normalizer.normalize_str(sentence))]
        losing = [word for word in found if _loses_other_marks(word)]
        words, changed = words + len(found), changed + len(losing)
        example = example or next(iter(losing), "")
    return StrippedWords(words=words, changed=changed, example=example)


def _strips_accents(config: TokenizationConfig) -> bool:
    """Whether accents are stripped: by default if text is lower-cased."""
    return config.lowercase if config.strip_accents is None else config.strip_accents


def describe_stripped(counts: Iterable[StrippedWords]) -> str | None:
    """A line for the user, or None if at most a hundredth of the words change."""
    counts = list(counts)
    words, changed = sum(c.words for c in counts), sum(c.changed for c in counts)
    if changed <= _MIN_SHARE * words:
        return None
    example = next(c.example for c in counts if c.example)
    return (
        f"stripping accents changes {changed / words:.0%} of the words: it takes marks of letters "
        f'that are not Latin, so "{example}" becomes "{strip(example)}"; '
        "[vocab] strip_accents = false keeps them"
    )


def strip(word: str) -> str:
    """A word without its combining marks, composed again."""
    marked = unicodedata.normalize("NFD", word)
    kept = [character for character in marked if unicodedata.category(character) != "Mn"]
    return unicodedata.normalize("NFC", "".join(kept))


def _loses_other_marks(word: str) -> bool:
    """Whether a letter of a script other than Latin loses a mark."""
    base = ""
    for character in unicodedata.normalize("NFD", word):
        if unicodedata.category(character) != "Mn":
            base = character
        elif base and not unicodedata.name(base, "").startswith("LATIN"):
            return True
    return False
