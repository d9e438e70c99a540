"""Tables gathered by a key: the same rows from files, from small tables and through the runner."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.coders.typecoders import registry
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.errors import DataError
from bertdata.progress.runs import (
    find_runs,
    name_table,
    select_columns,
)
from bertdata.storage.locations import Location
from pipelines.tables import CoGroupTables, GatherTables, KeepTables
from tests.pipelines.beam_runs import collect

NUM_KEYS = 5
Rows = Mapping[int, Mapping[str, list[tuple[int, str]]]]

rows = st.lists(st.tuples(st.integers(0, NUM_KEYS - 1), st.text("ab", max_size=3)), max_size=6)
by_tag = st.fixed_dictionaries({tag: st.lists(rows, max_size=4) for tag in ("left", "right")})


def table_of(rows: Iterable[tuple[int, str]], name: str) -> pa.Table:
    keys, values = zip(*rows) if rows else ((), ())
    columns = {"key": pa.array(keys, pa.int32()), "value": pa.array(values, pa.string())}
    return name_table(pa.table(columns), name)


def gathered(given: Mapping[str, list[pa.Table]], spill: Location | None) -> Rows:
    """What comes out of CoGroupTables: by key and tag the rows, each table's together."""

    def build(pipeline: beam.Pipeline) -> beam.PCollection[Any]:
        return (
            {
                tag: pipeline | tag >> beam.Create(some).with_output_types(pa.Table)
                for tag, some in given.items()
            }
            | CoGroupTables("key", range(NUM_KEYS), spill)
            | "Read" >> beam.MapTuple(read)
        )

    found = collect(build)
    assert len(found) == len(dict(found))
    return dict(found)


def read(key: int, tables: Mapping[str, Iterable[pa.Table]]) -> tuple[int, dict[str, list[Any]]]:
    found = {}
    for tag, some in tables.items():
        parts = [
            list(zip(*(table[name].to_pylist() for name in ("key", "value")))) for table in some
        ]
        found[tag] = [row for part in sorted(parts) for row in part]
    return key, found


def plainly(given: Mapping[str, list[list[tuple[int, str]]]]) -> Rows:
    wanted: dict[int, dict[str, list[tuple[int, str]]]] = {}
    for key in range(NUM_KEYS):
        parts = {tag: [[r for r in rows if r[0] == key] for rows in given[tag]] for tag in given}
        wanted[key] = {tag: [row for part in sorted(parts[tag]) for row in part] for tag in given}
    return wanted


@settings(max_examples=6)
@given(by_tag)
def test_every_way_gathers_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, given: Mapping[str, list[list[tuple[int, str]]]]
) -> None:
    """Also of tables without rows, and for keys that nothing has."""
    some = {
        tag: [table_of(rows, f"{number:05d}") for number, rows in enumerate(parts)]
        for tag, parts in given.items()
    }
    wanted = plainly(given)
    assert gathered(some, None) == wanted
    for inline_bytes in (30, 4 << 10):
        folder = tmp_path_factory.mktemp("spill")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bertdata.progress.runs._INLINE_BYTES", inline_bytes)
            assert gathered(some, folder) == wanted
        if inline_bytes == 4 << 10:
            assert list(folder.iterdir()) == []


def test_a_large_table_waits_in_a_file_by_its_name(tmp_path: Path) -> None:
    large = table_of([(n % NUM_KEYS, "x" * 100) for n in range(200)], "00007")
    found = gathered({"some": [large, table_of([(2, "small")], "00008")]}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["some-00007.arrow"]
    assert len(found[2]["some"]) == 41
    with pa.memory_map(str(tmp_path / "some-00007.arrow")) as source:
        reader = pa.ipc.open_file(source)
        assert reader.num_record_batches == NUM_KEYS
        batches = [reader.get_batch(n) for n in range(NUM_KEYS)]
    assert [set(batch["key"].to_pylist()) for batch in batches] == [{n} for n in range(NUM_KEYS)]


def keep(
    given: list[pa.Table], folder: Location | None, done: Iterable[Location] = ()
) -> list[pa.Table]:
    """The tables that come out of KeepTables, read again."""

    def build(pipeline: beam.Pipeline) -> beam.PCollection[Any]:
        new = pipeline | beam.Create(given).with_output_types(pa.Table)
        kept = new | KeepTables("kept", "key", folder, list(done))
        return kept | "Read" >> beam.Map(select_columns, ("key", "value"))

    return sorted(collect(build), key=lambda table: table.schema.metadata[b"bertdata.name"])


@pytest.mark.parametrize("spilled", [False, True])
def test_kept_tables_have_their_rows_and_names(spilled: bool, tmp_path: Path) -> None:
    given = [table_of([(3, "c"), (1, "a"), (3, "b")], "00000"), table_of([], "00001")]
    first, empty = keep(given, tmp_path if spilled else None)
    assert first.schema.metadata[b"bertdata.name"] == b"00000"
    assert sorted(first["value"].to_pylist()) == ["a", "b", "c"]
    assert empty.num_rows == 0
    files = {path.name for path in tmp_path.iterdir()}
    assert files == ({"kept-00000.arrow", "kept-00001.arrow"} if spilled else set())


def test_rows_of_a_key_keep_their_order(tmp_path: Path) -> None:
    (table,) = keep([table_of([(3, "c"), (1, "z"), (3, "a"), (1, "b")], "x")], tmp_path)
    assert table["value"].to_pylist() == ["z", "b", "c", "a"]


def test_runs_of_an_earlier_attempt_come_out_too(tmp_path: Path) -> None:
    keep([table_of([(3, "c"), (1, "a")], "00000"), table_of([], "00001")], tmp_path)
    done = find_runs(tmp_path, "kept")
    assert done == {f"0000{n}": tmp_path / f"kept-0000{n}.arrow" for n in (0, 1)}
    assert find_runs(tmp_path, "other") == find_runs(None, "kept") == {}
    assert find_runs(tmp_path / "nowhere", "kept") == {}
    again = keep([table_of([(4, "d")], "00002")], tmp_path, done.values())
    assert [table["value"].to_pylist() for table in again] == [["a", "c"], [], ["d"]]

    def build(pipeline: beam.Pipeline) -> beam.PCollection[Any]:
        new = pipeline | beam.Create([table_of([(3, "e")], "00003")]).with_output_types(pa.Table)
        kept = new | KeepTables("kept", "key", tmp_path, list(done.values()))
        return (
            {"all": kept}
            | CoGroupTables("key", range(NUM_KEYS), tmp_path)
            | "Read" >> beam.MapTuple(read)
        )

    found = dict(collect(build))
    assert found[3] == {"all": [(3, "c"), (3, "e")]}
    assert found[1] == {"all": [(1, "a")]}
    assert found[0] == {"all": []}


def test_a_run_that_was_cut_short_is_not_taken_over(tmp_path: Path) -> None:
    """As a power cut leaves it, since these files are not synced: empty, or with zeros."""
    keep([table_of([(n, "c")], f"0000{n}") for n in range(4)], tmp_path)
    whole = (tmp_path / "kept-00001.arrow").read_bytes()
    (tmp_path / "kept-00000.arrow").write_bytes(b"")
    (tmp_path / "kept-00001.arrow").write_bytes(whole[:-40])
    (tmp_path / "kept-00002.arrow").write_bytes(bytes(len(whole)))
    assert list(find_runs(tmp_path, "kept")) == ["00003"]


def test_a_damaged_run_is_one_readable_line(tmp_path: Path) -> None:
    keep([table_of([(3, "c")], "00000")], tmp_path)
    path = tmp_path / "kept-00000.arrow"
    path.write_bytes(b"ARROW1" + bytes(100) + b"ARROW1")
    with pytest.raises((DataError, RuntimeError), match="is not a complete Arrow file"):
        keep([], tmp_path, [path])


@pytest.mark.parametrize("spilled", [False, True])
@pytest.mark.parametrize("num_tables", [0, 1, 3])
def test_all_tables_come_together_once(spilled: bool, num_tables: int, tmp_path: Path) -> None:
    given = [table_of([(n, "x" * 5000), (n, "y")], f"0000{n}") for n in range(num_tables)]
    given.append(table_of([], "00009"))

    def build(pipeline: beam.Pipeline) -> beam.PCollection[Any]:
        created = pipeline | beam.Create(given).with_output_types(pa.Table)
        return created | GatherTables("all", tmp_path if spilled else None) | beam.Map(values)

    (found,) = collect(build)
    assert found == sorted(["x" * 5000, "y"] * num_tables)


def values(tables: Iterable[pa.Table]) -> list[str]:
    assert [t.num_rows for t in tables] == [t.num_rows for t in tables], "iterable more than once"
    return sorted(value for table in tables for value in table["value"].to_pylist())


@given(rows)
def test_tables_travel_as_they_are(rows: list[tuple[int, str]]) -> None:
    table = table_of(rows, "name")
    coder = registry.get_coder(pa.Table)
    assert coder.decode(coder.encode(table)).equals(table, check_metadata=True)
    assert coder.estimate_size(table) == table.nbytes
    part = table.slice(1)
    assert coder.decode(coder.encode(part)).equals(part)


def test_a_slice_travels_without_the_rest() -> None:
    large = table_of([(n, "x" * 100) for n in range(1000)], "large")
    coder = registry.get_coder(pa.Table)
    assert len(coder.encode(large.slice(500, 1))) < 2000


def test_a_run_says_its_keys(tmp_path: Path) -> None:
    """So that who needs another key need not open it."""
    keep([table_of([(3, "c"), (1, "a")], "00000")], tmp_path)
    with pa.memory_map(str(tmp_path / "kept-00000.arrow")) as source:
        metadata = pa.ipc.open_file(source).schema.metadata
    assert json.loads(metadata[b"bertdata.keys"]) == [1, 3]
