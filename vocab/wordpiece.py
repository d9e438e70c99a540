"""The WordPiece trainer, written to be read: word counts to exactly `size` pieces.

As in `tokenizers`' WordPieceTrainer, pieces are made by byte-pair merges. Every word starts as its
characters, the first plain, later ones with "##": hugs = h ##u ##g ##s. Again and again the pair of
neighbouring pieces with the highest count (over all words, 64 bits and more) becomes one piece:
h + ##u = hu, ##g + ##s = ##gs.

The rules that make the result unique:
- the alphabet is the `alphabet_limit` most frequent characters, ties to the smaller code point;
- words with a character outside it, and words over `max_word_characters`, are ignored: they
  become [UNK] with any vocabulary (`vocab.report` counts them);
- of pairs with equal counts, the one with the smaller strings merges first (left, then right
  piece, compared by code point);
- neighbours count at every place, so "aaa" has the pair twice, and are merged from the left;
- merging stops at `size` pieces, or when no pair is as frequent as `min_frequency`.

Each merge makes a new piece: as long as no piece crosses its ends, a stretch of characters is cut
in a way that depends only on the stretch and the merges so far, so only one pair can become it.

The order of pieces: special ones, characters by code point, continuing characters ("##…") by code
point, merged pieces as they were made. `vocab.fast` makes the same vocabulary faster.

Words are those of `vocab.counting`, where "#", like all punctuation, is a word of its own; so "##"
can only be the mark of continuation.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa

from bertdata.errors import VocabularyError
from bertdata.tokens.vocabulary import (
    CLS,
    CONTINUATION_PREFIX,
    MASK,
    PAD,
    SEP,
    SPECIAL_PIECES,
    UNK,
    Vocabulary,
)
from vocab.config import VocabConfig

_Pair = tuple[str, str]
_Word = tuple[str, ...]


def train(counts: pa.Table, config: VocabConfig) -> Vocabulary:
    """Make a vocabulary of exactly `config.size` pieces from word counts.

    `counts`: `word` string, distinct; `count` int64, 1 or more; in any order.
    Raises VocabularyError naming the reachable size when that many pieces cannot be made.
    """
    words = dict(zip(counts["word"].to_pylist(), counts["count"].to_pylist()))
    words = {w: n for w, n in words.items() if 0 < len(w) <= config.max_word_characters}
    kept = _frequent_characters(words, config.alphabet_limit)
    split = {_split_word(w): n for w, n in words.items() if kept.issuperset(w)}
    base = base_pieces(config, kept, {piece for word in split for piece in word[1:]})
    merged = _learn_merges(split, config.size - len(base), config.min_frequency)
    return finish(base, merged, config)


def _frequent_characters(words: dict[str, int], limit: int) -> set[str]:
    """The `limit` most frequent characters, ties to the smaller code point."""
    totals: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            totals[character] += count
    return set(sorted(totals, key=lambda character: (-totals[character], character))[:limit])


def _split_word(word: str) -> _Word:
    """The first pieces of a word: "hug" -> ("h", "##u", "##g")."""
    return (word[0], *(CONTINUATION_PREFIX + character for character in word[1:]))


def _learn_merges(words: dict[_Word, int], room: int, min_frequency: int) -> list[str]:
    """Up to `room` new pieces, in the order in which merging makes them."""
    merged: list[str] = []
    while len(merged) < room:
        totals = _count_pairs(words)
        pair = min(totals, key=lambda pair: (-totals[pair], pair), default=None)
        if pair is None or totals[pair] < min_frequency:
            break
        words = {_merge_pair(word, pair): count for word, count in words.items()}
        merged.append(join_pair(pair))
    return merged


def _count_pairs(words: dict[_Word, int]) -> Counter[_Pair]:
    """How often each pair of neighbouring pieces occurs in all words."""
    totals: Counter[_Pair] = Counter()
    for word, count in words.items():
        for pair in itertools.pairwise(word):
            totals[pair] += count
    return totals


def _merge_pair(word: _Word, pair: _Pair) -> _Word:
    """Join a pair wherever it occurs: ("h", "##u", "##g"), ("h", "##u") -> ("hu", "##g")."""
    pieces: list[str] = []
    for piece in word:
        # A piece just joined is longer than either of the pair, so it is not joined again.
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] = join_pair(pair)
        else:
            pieces.append(piece)
    return tuple(pieces)


def join_pair(pair: _Pair) -> str:
    """The piece that a pair becomes: ("##a", "##b") -> "##ab"."""
    return pair[0] + pair[1].removeprefix(CONTINUATION_PREFIX)


def _special_pieces(layout: str) -> list[str]:
    """The first pieces: the five special ones, with [unused…] if the layout has them."""
    if layout == "default":
        return list(SPECIAL_PIECES)
    unused = [f"[unused{i}]" for i in range(994)]
    return [PAD, *unused[:99], UNK, CLS, SEP, MASK, *unused[99:]]


def base_pieces(
    config: VocabConfig, alphabet: Iterable[str], continuing: Iterable[str]
) -> list[str]:
    """All pieces before the merged ones: special pieces, characters, continuing characters.

    Raises VocabularyError when these alone are more than `config.size`.
    """
    base = [*_special_pieces(config.layout), *sorted(alphabet), *sorted(continuing)]
    if len(base) > config.size:
        raise VocabularyError(
            f"vocab size {config.size} is too small: special pieces and alphabet alone are "
            f"{len(base)}; set size to {len(base)} or more, or lower alphabet_limit"
        )
    return base


def finish(base: Sequence[str], merged: Sequence[str], config: VocabConfig) -> Vocabulary:
    """The vocabulary. Raises VocabularyError with the reachable size if pieces are missing."""
    reached = len(base) + len(merged)
    if reached < config.size:
        raise VocabularyError(
            f"vocab size {config.size} cannot be reached: these words yield {reached} pieces with "
            f"min_frequency = {config.min_frequency}; set size to {reached} or add more text"
        )
    return Vocabulary((*base, *merged))
