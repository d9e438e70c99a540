"""Rows of different lengths: where they start, which places are real, and padding."""

from __future__ import annotations

import numpy as np
import pytest

from bertdata.arrays import offsets_of, pad_rows, places_within


def test_offsets_are_int64_whatever_the_lengths_are() -> None:
    assert offsets_of([2, 0, 3]).tolist() == [0, 2, 2, 5]
    assert offsets_of([]).tolist() == [0]
    small = offsets_of(np.array([200, 200], dtype=np.uint8))
    assert (small.tolist(), small.dtype) == ([0, 200, 400], np.int64)
    assert offsets_of(np.array([True, False, True])).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("width", [3, 255, 256, 300])
def test_places_within_a_row_are_those_before_its_length(width: int) -> None:
    lengths = np.array([0, 1, width])
    within = places_within(lengths, width)
    assert within.shape == (3, width)
    assert within.sum(axis=1).tolist() == lengths.tolist()
    assert within[1].tolist() == [True] + [False] * (width - 1)


def test_padded_rows_keep_their_values_in_order() -> None:
    real = places_within(np.array([2, 0, 1]), 2)
    padded = pad_rows(np.array([7, 8, 9], dtype=np.uint16), real, -100)
    assert padded.tolist() == [[7, 8], [-100, -100], [9, -100]]
    assert padded.dtype == np.int64
