from __future__ import annotations

import pyarrow as pa

from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA, count_words
from vocab.report import measure_coverage

VOCABULARY = Vocabulary((*SPECIAL_PIECES, "a", "b", "##b", "ab", "Z"))


def test_coverage_worked_out_by_hand() -> None:
    words = ["ab", "abb", "ax", "x", "bbbbb"]
    counts = pa.table([words, [10, 4, 3, 2, 1]], schema=COUNTS_SCHEMA)
    coverage = measure_coverage(counts, VOCABULARY, VocabConfig(max_word_characters=4))
    assert coverage.words == 20
    assert coverage.pieces == 10 + 2 * 4 + 3 + 2 + 1
    assert coverage.pieces_per_word == 24 / 20
    assert coverage.whole_words == 10
    assert coverage.whole_share == 0.5
    assert coverage.unknown_words == 6
    assert coverage.unknown_share == 0.3
    assert coverage.long_words == 1
    assert coverage.missing_characters == (("x", 5),)


def test_a_word_of_exactly_the_maximum_length_is_not_long() -> None:
    words = ["a" + "b" * (length - 1) for length in (3, 4, 5)]
    counts = pa.table([words, [4, 2, 1]], schema=COUNTS_SCHEMA)
    for limit, long_words in ((2, 7), (3, 3), (4, 1), (5, 0)):
        coverage = measure_coverage(counts, VOCABULARY, VocabConfig(max_word_characters=limit))
        assert coverage.long_words == coverage.unknown_words == long_words


def test_unknown_words_and_missing_characters_count_as_often_as_they_occur() -> None:
    counts = pa.table([["dx", "cd", "ab"], [3, 3, 9]], schema=COUNTS_SCHEMA)
    coverage = measure_coverage(counts, VOCABULARY, VocabConfig())
    assert (coverage.unknown_words, coverage.unknown_share) == (6, 0.4)
    assert coverage.missing_characters == (("d", 6), ("c", 3), ("x", 3))  # ties by code point


def test_cased_words_are_looked_up_as_they_are() -> None:
    config = VocabConfig(lowercase=False)
    counts = count_words([pa.array(["Z A ab"])], config)
    coverage = measure_coverage(counts, VOCABULARY, config)
    assert coverage.unknown_words == 1
    assert coverage.missing_characters == (("A", 1),)


def test_no_words_give_zero() -> None:
    coverage = measure_coverage(COUNTS_SCHEMA.empty_table(), VOCABULARY, VocabConfig())
    assert (coverage.pieces_per_word, coverage.unknown_share) == (0.0, 0.0)
