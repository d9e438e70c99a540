"""Merges in a text of pieces: what they take away and what they bring."""

from __future__ import annotations

import numpy as np
import pytest

from vocab.merging import PieceText
from vocab.pair_counts import split_pair

Pair = tuple[int, int]


def make_text(words: list[list[int]], frequencies: list[int], num_pieces: int) -> PieceText:
    return PieceText(
        np.array([code for word in words for code in word], np.int32),
        np.array([len(word) for word in words], np.int64),
        np.array(frequencies, np.int64),
        num_pieces=num_pieces,
        room=100,
    )


def merge(text: PieceText, left: int, right: int) -> dict[tuple[Pair, Pair], int]:
    lost, gained, amounts = (array.tolist() for array in text.merge(left, right))
    names = zip(map(split_pair, lost), map(split_pair, gained))
    return dict(zip(names, amounts))


def test_pairs_with_neighbours() -> None:
    text = make_text([[0, 1, 2, 3], [1, 2], [3, 1, 2, 1, 2]], [10, 100, 1000], num_pieces=4)
    pairs, counts = (array.tolist() for array in text.count_pairs())
    found = dict(zip(map(split_pair, pairs), counts))
    assert found == {(0, 1): 10, (1, 2): 2110, (2, 3): 10, (3, 1): 1000, (2, 1): 1000}
    assert merge(text, 1, 2) == {
        ((0, 1), (0, 4)): 10,
        ((2, 3), (4, 3)): 10,
        ((3, 1), (3, 4)): 1000,
        ((2, 1), (4, 4)): 1000,
    }
    # Of pieces that were made too, and until nothing is left of a word.
    assert merge(text, 4, 4) == {((3, 4), (3, 5)): 1000}
    assert merge(text, 3, 5) == {}
    assert merge(text, 3, 5) == {}


@pytest.mark.parametrize(
    ("length", "changes"),
    [
        (2, {}),
        (3, {((0, 0), (1, 0)): 1}),
        (4, {((0, 0), (1, 1)): 1}),
        (5, {((0, 0), (1, 1)): 1, ((0, 0), (1, 0)): 1}),
    ],
)
def test_a_piece_that_meets_itself_merges_from_the_left(
    length: int, changes: dict[tuple[Pair, Pair], int]
) -> None:
    assert merge(make_text([[0] * length], [1], num_pieces=1), 0, 0) == changes
