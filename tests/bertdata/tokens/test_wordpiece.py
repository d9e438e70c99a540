"""Compiled WordPiece, against `tokenizers` and by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.kernels.byte_table import ByteTable, buffers_of
from bertdata.tokens.tokenizer import TokenizationConfig, build_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
from bertdata.tokens.wordpiece import OTHER, CompiledWordPiece

VOCABULARY = Vocabulary((*SPECIAL_PIECES, "a", "ab", "abc", "##a", "##b", "##bc", "##cab", "7"))


def table_of(words: list[str]) -> ByteTable:
    table = ByteTable(100)
    data, offsets = buffers_of(pa.array(words, pa.string()))
    table.find_rows(data, offsets[:-1], offsets[1:])
    return table


def encode(words: list[str], max_word_characters: int = 100) -> list[list[str] | None]:
    encoder = CompiledWordPiece(VOCABULARY, max_word_characters)
    lengths, ids = encoder.encode(table_of(words), 0)
    bounds = np.cumsum(np.maximum(lengths, 0))
    names = [VOCABULARY.tokens[id_] for id_ in ids]
    return [
        None if length == OTHER else names[stop - length : stop]
        for length, stop in zip(lengths, bounds)
    ]


def test_the_longest_piece_is_taken_first() -> None:
    assert encode(["abcab", "ababc", "aa", "7"]) == [
        ["abc", "##a", "##b"],
        ["ab", "##a", "##bc"],
        ["a", "##a"],
        ["7"],
    ]


def test_unknown_and_too_long_words_are_one_piece() -> None:
    assert encode(["abx", "x", "abab"], max_word_characters=3) == [["[UNK]"], ["[UNK]"], ["[UNK]"]]


def test_a_word_of_exactly_the_maximum_length_is_cut_into_pieces() -> None:
    assert encode(["abc", "abca"], max_word_characters=3) == [["abc"], ["[UNK]"]]


def test_the_longest_piece_of_all_is_found() -> None:
    vocabulary = Vocabulary((*SPECIAL_PIECES, "abcabcabc", "abcabcab", "##c"))
    lengths, ids = CompiledWordPiece(vocabulary, 100).encode(table_of(["abcabcabc"]), 0)
    assert (lengths.tolist(), ids.tolist()) == ([1], [5])


def test_a_word_of_exactly_the_maximum_length_is_known() -> None:
    words = ["ab", "aba", "abab"]
    wanted = [["ab"], ["ab", "##a"], ["ab", "##a", "##b"]]
    for limit in (2, 3, 4):
        found = encode(words, max_word_characters=limit)
        assert found == [*wanted[: limit - 1], *[["[UNK]"]] * (4 - limit)]


def test_other_words_are_left_to_the_library() -> None:
    assert encode(["é", "a-b", "ab"]) == [None, None, ["ab"]]


def test_only_rows_from_the_first_on_are_encoded() -> None:
    encoder = CompiledWordPiece(VOCABULARY, 100)
    lengths, ids = encoder.encode(table_of(["ab", "abc", "aa"]), 1)
    assert lengths.tolist() == [1, 2]
    assert [VOCABULARY.tokens[id_] for id_ in ids] == ["abc", "a", "##a"]


@given(st.lists(st.text("abc7x", min_size=1, max_size=9), unique=True, max_size=8))
@settings(deadline=None)
def test_equals_tokenizers(words: list[str]) -> None:
    tokenizer = build_tokenizer(VOCABULARY, TokenizationConfig())
    wanted = [tokenizer.encode(word, add_special_tokens=False).tokens for word in words]
    assert encode(words) == wanted
