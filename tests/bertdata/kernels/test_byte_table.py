"""A table of byte strings, against a dictionary."""

from __future__ import annotations

import itertools

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.kernels.byte_table import SHORT, ByteTable, buffers_of

# Few distinct keys, so that they repeat; short ones and long ones, some of them nearly equal.
KEYS = st.lists(
    st.one_of(st.text("ab", max_size=3), st.text("a\0é", min_size=SHORT - 1, max_size=SHORT + 2))
)


def find(table: ByteTable, keys: list[str]) -> list[int]:
    data, offsets = buffers_of(pa.array(keys, pa.string()))
    return table.find_rows(data, offsets[:-1], offsets[1:]).tolist()


@given(st.lists(KEYS, max_size=4))
@settings(deadline=None)
def test_rows_are_numbered_in_order_of_first_occurrence(calls: list[list[str]]) -> None:
    table, rows = ByteTable(100), dict[str, int]()
    for keys in calls:
        assert find(table, keys) == [rows.setdefault(key, len(rows)) for key in keys]
    assert table.keys_from(0).to_pylist() == list(rows)
    assert table.keys_from(len(rows)).to_pylist() == []


def test_keys_that_differ_in_leading_zeros_are_different() -> None:
    """Packed, they are the same number."""
    keys = ["a", "\0a", "\0\0a", "", "\0", "a" * SHORT, "\0" + "a" * SHORT]
    assert find(ByteTable(10), [*keys, *keys]) == [*range(7)] * 2


def test_a_table_grows_beyond_its_capacity_and_says_that_it_is_full() -> None:
    table = ByteTable(10)
    keys = [f"key {number}" for number in range(10_000)]
    assert find(table, keys[:10]) == list(range(10))
    assert not table.is_full
    assert find(table, keys) == list(range(10_000))
    assert table.is_full
    assert find(table, keys[::-1]) == list(range(10_000))[::-1]


def test_long_keys_fill_a_table_before_its_rows_do() -> None:
    table = ByteTable(100)
    find(table, [f"{number}" * 1000 for number in range(20)])
    assert table.is_full


def test_buffers_of_a_slice_begin_at_its_first_string() -> None:
    data, offsets = buffers_of(pa.array(["ab", "c", "", "def"]).slice(1))
    texts = [bytes(data[a:b]) for a, b in itertools.pairwise(offsets)]
    assert texts == [b"c", b"", b"def"]
    assert buffers_of(pa.array([], pa.string()))[1].tolist() == [0]
