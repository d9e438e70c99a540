"""Tables that wait: split by their keys, and found again by them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pytest

from bertdata.progress.runs import (
    Run,
    gather_runs,
    name_table,
    split_table,
)


def table_of(rows: Iterable[tuple[int, str]], name: str) -> pa.Table:
    keys, values = zip(*rows) if rows else ((), ())
    columns = {"key": pa.array(keys, pa.int32()), "value": pa.array(values, pa.string())}
    return name_table(pa.table(columns), name)


@pytest.mark.parametrize(
    "keys", [[1, 2, 3], [1, 3, 2], [3, 2, 1], [2, 2, 1, 2, 1], [1], []], ids=str
)
def test_a_table_is_split_by_its_keys(keys: list[int]) -> None:
    """In order, each with its rows as they stood."""
    values = [chr(ord("a") + place) for place in range(len(keys))]
    found = split_table(table_of(list(zip(keys, values)), "x"), "key")
    wanted = {key: [v for k, v in zip(keys, values) if k == key] for key in sorted(set(keys))}
    assert [(key, rows["value"].to_pylist()) for key, rows in found] == [*wanted.items()]


def test_only_runs_with_a_key_are_read_for_it() -> None:
    runs = [Run((1, 3), path="a", tag="left"), Run((2,), path="b", tag="left")]
    for key, paths in ((0, []), (1, ["a"]), (2, ["b"]), (3, ["a"])):
        found_key, found = gather_runs(key, runs, ["left", "right"])
        assert (found_key, [run.path for run in found["left"].runs]) == (key, paths)  # type: ignore[attr-defined]
        assert list(found["right"]) == []
