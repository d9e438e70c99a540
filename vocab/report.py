"""How good a vocabulary is for some words: pieces per word, unknown words, characters it lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from bertdata.tokens.tokenizer import build_tokenizer
from bertdata.tokens.vocabulary import Vocabulary
from vocab.config import VocabConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """How a vocabulary covers counted words; all numbers count occurrences.

    `pieces`: an unknown word is one piece. `whole_words`: known words that are one piece.
    `unknown_words`: words that become [UNK]; among them `long_words`, longer than
    `max_word_characters`. `missing_characters`: characters that are not pieces of the vocabulary,
    with their counts, most frequent first.
    """

    words: int
    pieces: int
    whole_words: int
    unknown_words: int
    long_words: int
    missing_characters: tuple[tuple[str, int], ...]

    @property
    def pieces_per_word(self) -> float:
        """At least 1; 0 if there are no words."""
        return self.pieces / self.words if self.words else 0.0

    @property
    def whole_share(self) -> float:
        """The share of words that are one piece of the vocabulary, in [0, 1]."""
        return self.whole_words / self.words if self.words else 0.0

    @property
    def unknown_share(self) -> float:
        """The share of words that become [UNK], in [0, 1]."""
        return self.unknown_words / self.words if self.words else 0.0


def measure_coverage(counts: pa.Table, vocabulary: Vocabulary, config: VocabConfig) -> Coverage:
    """Look up counted words, held out or from training.

    `counts`: `word` string, `count` int64, as `vocab.counting` makes them with the same `config`.
    """
    words, frequencies = counts["word"].to_pylist(), counts["count"].to_pylist()
    model = build_tokenizer(vocabulary, config.tokenization).model
    unk = vocabulary.special_pieces[1]
    pieces = whole = unknown = 0
    for word, frequency in zip(words, frequencies):
        found = model.tokenize(word)
        pieces += len(found) * frequency
        is_unknown = found[0].value == unk
        unknown += frequency * is_unknown
        whole += frequency * (len(found) == 1 and not is_unknown)
    return Coverage(
        words=sum(frequencies),
        pieces=pieces,
        whole_words=whole,
        unknown_words=unknown,
        long_words=_count_long_words(counts, config.max_word_characters),
        missing_characters=_missing_characters(words, frequencies, vocabulary),
    )


def _count_long_words(counts: pa.Table, max_characters: int) -> int:
    is_long = pc.greater(pc.utf8_length(counts["word"]), max_characters)
    return sum(counts.filter(is_long)["count"].to_pylist())


def _missing_characters(
    words: list[str], frequencies: list[int], vocabulary: Vocabulary
) -> tuple[tuple[str, int], ...]:
    totals: Counter[str] = Counter()
    for word, frequency in zip(words, frequencies):
        for character in word:
            if character not in vocabulary.ids:
                totals[character] += frequency
    return tuple(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
