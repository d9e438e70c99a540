"""Cutting and grouping inputs into units; whatever the size, they hold the same documents."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.config import read_table, to_table
from bertdata.corpus.config import CorpusConfig, FilePart, InputUnit, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.jsonl import find_line
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import join_units, plan_units
from bertdata.errors import ConfigError, InputError

# Lines that are records, blank, broken, Unicode blank or not UTF-8.
LINES = st.sampled_from(
    [
        b"",
        b" ",
        b"\r",
        b"\xe3\x80\x80",
        b"A sentence.",
        b"  Another \xe2\x80\xa8 one.\r",
        b"\xff\xfd",
        b'{"text": "x", "id": 5}',
        b'{"text": "caf\xc3\xa9"}',
        b'{"text": 3}',
        b"{",
        b"\xef\xbb\xbf",
    ]
)


def units_of(corpus: CorpusConfig, base: Path, unit_bytes: int) -> tuple[InputUnit, ...]:
    return plan_units(corpus, list_inputs(corpus, base), unit_bytes)


def read_all(corpus: CorpusConfig, base: Path, unit_bytes: int) -> list[Document | Rejection]:
    return [item for unit in units_of(corpus, base, unit_bytes) for item in read_unit(unit)]


@pytest.mark.parametrize("format_", ["lines", "jsonl"])
@settings(max_examples=80, deadline=None)
@given(lines=st.lists(LINES, max_size=25), end=st.booleans(), unit_bytes=st.integers(1, 60))
def test_units_of_any_size_hold_what_the_file_holds(
    tmp_path_factory: pytest.TempPathFactory,
    format_: str,
    lines: list[bytes],
    end: bool,
    unit_bytes: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / f"split.{format_}").write_bytes(b"\n".join(lines) + b"\n" * end)
    corpus = CorpusConfig(name="x", format=format_, paths=(f"split.{format_}",))
    items = read_all(corpus, folder, 1 << 40)
    assert read_all(corpus, folder, unit_bytes) == items
    joined = join_units(units_of(corpus, folder, unit_bytes), 3 * unit_bytes)
    assert [item for unit in joined for item in read_unit(unit)] == items


@settings(max_examples=200, deadline=None)
@given(text=st.text("a\n", max_size=20), position=st.integers(1, 20))
def test_a_line_is_found_across_blocks(
    tmp_path_factory: pytest.TempPathFactory, text: str, position: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.jsonl"
    path.write_text(text)
    starts = [at + 1 for at, letter in enumerate(text[:-1]) if letter == "\n"]
    expected = next((start for start in starts if start >= position), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertdata.corpus.formats.jsonl.SEARCH_BYTES", 3)
        assert find_line(path, position) == expected


@pytest.mark.parametrize("format_", ["parquet", "arrow", "stream"])
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=9) | st.none(), max_size=30), unit_bytes=st.integers(1, 200))
def test_so_do_units_of_tables(
    tmp_path_factory: pytest.TempPathFactory,
    format_: str,
    texts: list[str | None],
    unit_bytes: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    table = pa.table({"text": pa.array(texts, pa.string())})
    path = folder / f"split.{format_}"
    write_table(table, path, rows_per_block=4)
    corpus = CorpusConfig(
        name="x", format="parquet" if format_ == "parquet" else "arrow", paths=(path.name,)
    )
    items = read_all(corpus, folder, unit_bytes)
    assert items == read_all(corpus, folder, 1 << 40)
    joined = join_units(units_of(corpus, folder, unit_bytes), 3 * unit_bytes)
    assert items == [item for unit in joined for item in read_unit(unit)]
    assert [item.document for item in items] == [f"{path.name}@{i}" for i in range(len(texts))]


def write_table(table: pa.Table, path: Path, rows_per_block: int) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows_per_block)
        return
    new = pa.ipc.new_stream if path.suffix == ".stream" else pa.ipc.new_file
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_per_block)


def test_parts_say_which_version_of_their_file_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    corpus = CorpusConfig(name="x", format="jsonl", paths=("*.jsonl",))
    versions = []
    for text in (b'{"text": "x"}\n', b'{"text": "y"}\n'):
        path.write_bytes(text * 30)
        os.utime(path, ns=(0, len(versions) + 1))
        (file,) = list_inputs(corpus, tmp_path)
        parts = [part for unit in units_of(corpus, tmp_path, 100) for part in unit.parts]
        assert len(parts) > 3
        assert {part.version for part in parts} == {file.version}
        versions.append(file.version)
    assert "" != versions[0] != versions[1] != ""


def test_a_large_file_is_cut_and_small_ones_are_grouped(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"small{i}.jsonl").write_bytes(b'{"text": "x"}\n' * 10)
    (tmp_path / "large.jsonl").write_bytes(b'{"text": "x"}\n' * 1000)
    corpus = CorpusConfig(name="x", format="jsonl", paths=("*.jsonl",))
    units = units_of(corpus, tmp_path, 1400)
    assert [len(unit.parts) for unit in units] == [1] * 10 + [10]
    assert {unit.bytes for unit in units} == {1400}
    assert sum(unit.bytes for unit in units) == 15_400


def test_units_are_joined_but_for_the_last_ones(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.jsonl").write_bytes(b'{"text": "x"}\n' * 100)
    corpus = CorpusConfig(name="x", format="jsonl", paths=("*.jsonl",))
    small = units_of(corpus, tmp_path, 140)
    joined = join_units(small, 560)
    assert [unit.bytes for unit in joined] == [560] * 8 + [420] + [140] * 5
    assert [len(unit.parts) for unit in joined[:4]] == [1, 1, 2, 1]
    read = [[item for unit in units for item in read_unit(unit)] for units in (small, joined)]
    assert read[0] == read[1]
    (alone,) = join_units(small[:3], 560)
    assert (alone.bytes, len(alone.parts)) == (420, 1)


def parts_of(*bounds: tuple[str, int, int | None]) -> tuple[FilePart, ...]:
    return tuple(
        FilePart(path=name, name=name, start=a, stop=b, version="1") for name, a, b in bounds
    )


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ([("a", 0, 5)], [("a", 5, 9)], [("a", 0, 9)]),
        ([("a", 0, 5)], [("a", 6, 9)], [("a", 0, 5), ("a", 6, 9)]),  # something is between them
        ([("a", 0, 5)], [("b", 5, 9)], [("a", 0, 5), ("b", 5, 9)]),
        ([("a", 0, None)], [("b", 0, None)], [("a", 0, None), ("b", 0, None)]),
        (
            [("a", 0, 5), ("b", 0, 5)],
            [("b", 5, 9), ("c", 0, 1), ("d", 0, 1)],
            [("a", 0, 5), ("b", 0, 9), ("c", 0, 1), ("d", 0, 1)],
        ),
    ],
)
def test_joined_units_have_all_parts(first: Any, second: Any, joined: Any) -> None:
    corpus = CorpusConfig(name="x", format="lines", paths=("*",))
    units = [InputUnit(corpus=corpus, parts=parts_of(*p), bytes=1) for p in (first, second)]
    rest = [InputUnit(corpus=corpus, parts=parts_of(("z", 0, 1)), bytes=1) for _ in range(20)]
    unit = join_units([*units, *rest], 2)[0]
    assert (unit.parts, unit.bytes) == (parts_of(*joined), 2)


def test_units_of_two_corpora_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x"}\n')
    corpora = [CorpusConfig(name=name, format="jsonl", paths=("a.jsonl",)) for name in "xy"]
    units = [unit for corpus in corpora for unit in units_of(corpus, tmp_path, 100)]
    assert join_units(units, 1000) == units
    assert join_units([], 1000) == []


def test_compressed_and_text_files_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 9999))
    (tmp_path / "a.txt").write_bytes(b"text " * 1000)
    for format_, pattern in [("jsonl", "*.gz"), ("text", "*.txt")]:
        corpus = CorpusConfig(name="x", format=format_, paths=(pattern,))
        (unit,) = units_of(corpus, tmp_path, 10)
        (part,) = unit.parts
        assert (part.start, part.stop) == (0, None)


def test_one_record_longer_than_many_units_is_one_unit(tmp_path: Path) -> None:
    line = json.dumps({"text": "word " * 2_000_000}).encode()
    (tmp_path / "a.jsonl").write_bytes(line + b"\n" + b'{"text": "end"}')
    corpus = CorpusConfig(name="x", format="jsonl", paths=("a.jsonl",))
    units = units_of(corpus, tmp_path, 100_000)
    assert [part.stop for unit in units for part in unit.parts] == [len(line) + 1, len(line) + 16]
    assert [len(item.text) for unit in units for item in read_unit(unit)] == [10_000_000, 3]  # type: ignore[union-attr]


def test_a_unit_survives_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x"}\n' * 100)
    corpus = CorpusConfig(name="x", format="jsonl", paths=("*.jsonl",))
    for unit in units_of(corpus, tmp_path, 300):
        table = json.loads(json.dumps(to_table(unit)))
        assert read_table(InputUnit, table, "unit") == unit


def test_the_demo_corpus_in_units(tmp_path: Path) -> None:
    corpus = CorpusConfig(name="demo", format="demo")
    units = units_of(corpus, tmp_path, 1_000_000)
    assert 10 < len(units) < 25
    items = [item for unit in units for item in read_unit(unit)]
    assert len(items) == 10_033 + 18
    assert all(isinstance(item, Document) for item in items)
    documents = {item.document: item.text for item in items if isinstance(item, Document)}
    assert len(documents) == len(items)
    assert documents["Alan Turing"].startswith("Alan Mathison Turing")
    assert "Ant. Cæsar, my Lord" in documents["shakespeare-caesar.txt"]
    assert "Brunetière, Coppée" in documents["chesterton-ball.txt"]


def test_bad_tables_stop_the_plan_or_are_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more")
    stop = CorpusConfig(name="x", format="parquet", paths=("*.parquet",))
    with pytest.raises(InputError, match=r"cannot read .*a\.parquet.*on_bad_file = "):
        units_of(stop, tmp_path, 100)
    skip = CorpusConfig(name="x", format="parquet", paths=("*.parquet",), on_bad_file="skip")
    (item,) = read_all(skip, tmp_path, 100)
    assert isinstance(item, Rejection)
    assert (item.document, item.reason) == ("a.parquet", "unreadable_file")


def test_a_unit_has_some_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unit_bytes must be from 1"):
        plan_units(CorpusConfig(name="demo", format="demo"), (), 0)
