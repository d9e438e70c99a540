"""Blocks in memory: which stay, and lists that cannot be."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest

from bertdata.errors import DataError
from bertdata.reader.loaded_blocks import LoadedBlocks, _check_lists
from bertdata.storage.schema import MAX_PIECES, examples_schema

SCHEMA = examples_schema(100)


def make_block(number: int, num_rows: int = 3) -> pa.RecordBatch:
    """Rows whose pieces are all the number of their block."""
    rows = [
        {
            "input_ids": [number] * (4 + row),
            "segment_b_start": 2,
            "masked_lm_positions": [row],
            "masked_lm_ids": [number],
            "next_sentence_label": 0,
            "document_id": number,
        }
        for row in range(num_rows)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def with_lists(column: str, offsets: list[int]) -> pa.RecordBatch:
    """A block of which one column has these offsets, as a damaged file may have them."""
    block = make_block(9, num_rows=2)
    values = pa.array(range(600), pa.uint16())
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32))]
    damaged = pa.Array.from_buffers(pa.list_(pa.uint16()), 2, buffers, children=[values])
    return block.set_column(SCHEMA.get_field_index(column), SCHEMA.field(column), damaged)


@pytest.mark.parametrize(
    ("column", "offsets", "message"),
    [
        ("input_ids", [0, 3, 2], "beyond"),
        ("input_ids", [0, 2, 600], "of 598"),
        ("masked_lm_ids", [4, 3, 5], "beyond"),
        ("masked_lm_ids", [0, 2, 3], "different numbers"),
    ],
)
def test_lists_that_cannot_be_are_refused(column: str, offsets: list[int], message: str) -> None:
    """Arrow itself looks at the last offset of lists only."""
    with pytest.raises(DataError, match=message):
        _read_both_rows(with_lists(column, offsets))


@pytest.mark.parametrize(
    ("offsets", "num_values", "is_sound"),
    [
        ([0, 3, 3], 3, True),
        ([0, 3, 4], 3, False),
        ([0, MAX_PIECES], 600, True),  # the longest row that there may be
        ([0, MAX_PIECES + 1], 600, False),
        ([-1, 3], 3, False),
        ([1, 3], 3, True),
        ([0], 0, True),
    ],
)
def test_lists_at_the_limits(offsets: list[int], num_values: int, is_sound: bool) -> None:
    expected = contextlib.nullcontext() if is_sound else pytest.raises(DataError)
    with expected:
        _check_lists(np.array(offsets, np.int32), np.zeros(num_values, np.uint16))


def test_what_could_not_be_read_leaves_the_others_as_they_were() -> None:
    loaded = LoadedBlocks(5, kept=2, schema=SCHEMA)

    def read(number: int) -> pa.RecordBatch:
        return with_lists("masked_lm_ids", [4, 3, 5]) if number == 2 else make_block(number)

    for number in (0, 1):
        loaded.load(np.array([number]), read)
    with pytest.raises(DataError):
        loaded.load(np.array([2]), read)
    loaded.load(np.array([1, 3]), read)
    batch = loaded.take(np.array([3, 1, 3]), np.array([2, 0, 1]))
    assert batch.input_ids.tolist() == [3] * 6 + [1] * 4 + [3] * 5
    assert batch.masked_ids.tolist() == [3, 1, 3]


def test_more_are_kept_only_where_one_call_wants_more() -> None:
    loaded = LoadedBlocks(9, kept=2, schema=SCHEMA)
    for wanted in ([0, 1], [4, 5, 6, 7], [8], [0]):
        loaded.load(np.array(wanted), lambda number: make_block(number, num_rows=1 + number))
        batch = loaded.take(np.array(wanted), np.array(wanted))
        assert batch.input_ids.tolist() == [n for n in wanted for _ in range(4 + n)]
    assert len(loaded) <= 4


def _read_both_rows(block: pa.RecordBatch) -> None:
    loaded = LoadedBlocks(1, kept=1, schema=SCHEMA)
    loaded.load(np.array([0]), lambda _: block)
    loaded.take(np.array([0, 0]), np.array([0, 1]))
