"""Both trainers against vocabularies worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.errors import VocabularyError
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, read_vocabulary
from vocab import fast, wordpiece
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA

Train = Callable[[pa.Table, VocabConfig], Vocabulary]

HUGS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
HUGS_BASE = ["b", "g", "h", "n", "p", "s", "u", "##g", "##n", "##s", "##u"]
HUGS_MERGED = ["##ug", "##un", "hug", "pun", "hugs", "pug", "bun"]

pytestmark = pytest.mark.parametrize(
    "train", [wordpiece.train, fast.train], ids=["reference", "fast"]
)


def table_of(counts: dict[str, int]) -> pa.Table:
    return pa.table([list(counts), list(counts.values())], schema=COUNTS_SCHEMA)


def pieces(train: Train, counts: dict[str, int], config: VocabConfig) -> list[str]:
    """The pieces after the special ones."""
    tokens = train(table_of(counts), config).tokens
    assert tokens[:5] == SPECIAL_PIECES
    return list(tokens[5:])


@pytest.mark.parametrize("num_merged", range(8))
def test_worked_out_by_hand(train: Train, num_merged: int) -> None:
    config = VocabConfig(size=16 + num_merged)
    assert pieces(train, HUGS, config) == HUGS_BASE + HUGS_MERGED[:num_merged]


def test_unreachable_size_names_the_reachable(train: Train) -> None:
    with pytest.raises(VocabularyError, match=r"vocab size 24 cannot be .* set size to 23 or"):
        train(table_of(HUGS), VocabConfig(size=24))


def test_min_frequency_stops_merging(train: Train) -> None:
    config = VocabConfig(size=16 + 4, min_frequency=12)
    assert pieces(train, HUGS, config) == HUGS_BASE + HUGS_MERGED[:4]
    with pytest.raises(VocabularyError, match="yield 20 pieces with min_frequency = 12"):
        train(table_of(HUGS), VocabConfig(size=21, min_frequency=12))


def test_size_below_the_alphabet_names_the_least(train: Train) -> None:
    with pytest.raises(VocabularyError, match=r"size 15 is too small: .* set size to 16 or more"):
        train(table_of(HUGS), VocabConfig(size=15))


def test_ties_go_to_the_smaller_strings(train: Train) -> None:
    counts = {"ba": 3, "ab": 3, "xab": 3}
    merged = pieces(train, counts, VocabConfig(size=5 + 5 + 3))[5:]
    assert merged == ["##ab", "ab", "ba"]


def test_ties_go_by_the_left_piece_before_the_right(train: Train) -> None:
    tokens = pieces(train, {"az": 3, "bc": 3}, VocabConfig(size=5 + 6 + 2))
    assert tokens == ["a", "b", "c", "z", "##c", "##z", "az", "bc"]


def test_pairs_that_became_rarer_keep_their_turn(train: Train) -> None:
    """Merges made (##d, ##d) as rare as others; of these, it has the smallest strings."""
    counts = {"ddd": 2, "dbad": 2, "caddc": 1}
    tokens = pieces(train, counts, VocabConfig(size=18, min_frequency=1))
    assert tokens[8:] == ["##ad", "##bad", "##dd", "dbad", "ddd"]


def test_overlapping_pairs_merge_from_the_left(train: Train) -> None:
    merged = pieces(train, {"xaaa": 2, "xaaaaa": 2}, VocabConfig(size=8 + 5))[3:]
    # x aa a, x aa aa a: (##aa, ##a) 4, (x, ##aa) 4, (##aa, ##aa) 2; the smaller strings first.
    assert merged == ["##aa", "##aaa", "##aaaaa", "xaaa", "xaaaaa"]


def test_alphabet_limit_drops_rare_characters_and_their_words(train: Train) -> None:
    counts = {"ab": 5, "ac": 4, "ad": 4, "bb": 1}
    # a 13, b 7, then c before d by code point; "ad" is left out.
    config = VocabConfig(size=5 + 3 + 2 + 2, alphabet_limit=3)
    assert pieces(train, counts, config) == ["a", "b", "c", "##b", "##c", "ab", "ac"]


def test_words_too_long_do_not_count(train: Train) -> None:
    config = VocabConfig(size=5 + 3 + 1, max_word_characters=3)
    assert pieces(train, {"ab": 5, "zzzz": 100}, config) == ["a", "b", "##b", "ab"]


def test_a_word_of_exactly_the_maximum_length_counts(train: Train) -> None:
    config = VocabConfig(size=5 + 2 + 1 + 1, max_word_characters=3)
    assert pieces(train, {"abb": 5, "zzzz": 100}, config) == ["a", "b", "##b", "##bb"]
    assert pieces(train, {"a": 9, "bb": 5}, VocabConfig(size=8, max_word_characters=2)) == [
        "a", "b", "##b",
    ]  # fmt: skip


def test_special_pieces_have_the_ids_of_the_original(train: Train) -> None:
    config = VocabConfig(size=999 + 11, layout="bert-base-uncased")
    special = train(table_of(HUGS), config).special
    ids = (special.pad, special.unk, special.cls, special.sep, special.mask)
    assert ids == (0, 100, 101, 102, 103)


def test_chinese_characters_stand_alone_and_accents_stay(train: Train) -> None:
    counts = {"中": 9, "文": 8, "é": 3, "né": 3, "ß": 2}
    assert pieces(train, counts, VocabConfig(size=5 + 5 + 1 + 1)) == [
        "n", "ß", "é", "中", "文", "##é", "né",
    ]  # fmt: skip


def test_layout_of_the_original(train: Train, shared_data: Path) -> None:
    config = VocabConfig(size=999 + 11 + 2, layout="bert-base-uncased")
    tokens = train(table_of(HUGS), config).tokens
    original = read_vocabulary(shared_data / "vocab" / "bert-base-uncased-vocab.txt")
    assert tokens[:999] == original.tokens[:999]
    assert list(tokens[999:]) == [*HUGS_BASE, "##ug", "##un"]


def test_counts_above_32_and_53_bits(train: Train) -> None:
    counts = {"ab": 2**60, "cd": 2**60 + 1}
    assert pieces(train, counts, VocabConfig(size=5 + 6 + 1))[-1] == "cd"


def test_no_words_at_all(train: Train) -> None:
    with pytest.raises(VocabularyError, match="these words yield 5 pieces"):
        train(COUNTS_SCHEMA.empty_table(), VocabConfig(size=6))


def test_order_of_the_counts_does_not_matter(train: Train) -> None:
    backwards = dict(reversed(HUGS.items()))
    config = VocabConfig(size=22)
    assert pieces(train, HUGS, config) == pieces(train, backwards, config)
