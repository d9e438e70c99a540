"""What a file holds, by its first bytes alone: its format, its first records, or why it is none."""

from __future__ import annotations

import bz2
import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text
from flows.guess import contents
from flows.guess.contents import COMPRESSIONS, Content, look_into
from tests.bertdata.corpus.formats.web.test_pages import record
from tests.flows.guess.river_files import (
    CASES,
    DUMP,
    HTML,
    LINES,
    PROSE,
    RECORDS,
    SENTENCES,
    write_parquet,
)

# Those of which another compression, encoding or place than the usual one is known.
COMPRESSION = {
    "text, gzip": ".gz",
    "jsonl, bz2": ".bz2",
    "jsonl, xz": ".xz",
    "jsonl, zstd": ".zst",
    "jsonl in a tar": ".gz",
    "jsonl, packed, without an ending": ".gz",
    "dump, bz2": ".bz2",
    "warc": ".gz",
}
IN_ARCHIVES = ("text in a ZIP", "jsonl in a tar")


def looked(folder: Path, data: str | bytes, name: str = "a.txt") -> Content:
    """What is found in a file of such content."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return look_into(folder / name)


@pytest.mark.parametrize("case", CASES)
def test_each_format_is_found_by_its_content(case: str, tmp_path: Path) -> None:
    name, write, wanted, fields = CASES[case]
    write(tmp_path / name)
    found = look_into(tmp_path / name)
    assert (found.format, found.problem, found.encoding) == (wanted, "", "utf-8")
    assert found.compression == COMPRESSION.get(case, "")
    assert found.is_archive is (case in IN_ARCHIVES)
    assert list(found.records) == (RECORDS if fields else [])
    if not fields and case != "text, one bad byte":
        assert found.texts
        assert all("river" in text for text in found.texts)


def test_other_storage(s3: Address) -> None:
    write_text(s3 / "a.data", LINES)
    assert look_into(s3 / "a.data") == Content(format="jsonl", records=RECORDS)


def test_other_encodings(tmp_path: Path) -> None:
    text = "Müller hört die Glocken, und die Stadt ist schön und für alle groß. " * 9
    found = looked(tmp_path, text.encode("cp1252"))
    assert found == Content(encoding="cp1252", records=[], texts=(text,))


# why it is no input

NO_JSON = "JSON, but not objects one per line or in one array; write its texts as JSON lines"
NO_TEXT = "not text, or in an encoding that is not recognised; convert it to UTF-8"
PROBLEMS: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b" \n", "empty"),
    "an empty gzip": (gzip.compress(b""), "empty"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "7z": (
        b"7z\xbc\xaf\x27\x1c" + b"0" * 99,
        "a 7z archive, which is not read; unpack it, and name its files in paths",
    ),
    "noise": (bytes(range(128, 256)) * 99, NO_TEXT),
    "zeros": (bytes(999), NO_TEXT),
    "a page": (HTML, "a web page; pages are read from WARC files"),
    "xml": ("<?xml version='1.0'?><a/>", "XML; write its texts as JSON lines"),
    "an array of arrays": ('[["a", 1]]', NO_JSON),
    "an array of texts": ('["a", "b"]', NO_JSON),
    "an object that is cut": ('{"text": "a', NO_JSON),
    "a dump without its ending": (
        bz2.compress(f"{DUMP}</mediawiki>".encode()),
        "wikipedia-xml whose name should end in .bz2; rename it",
    ),
    "records without a page": (
        record("metadata", b"x"),
        "warc without a text in its first 1000 records",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_why_it_is_no_input(case: str, tmp_path: Path) -> None:
    data, problem = PROBLEMS[case]
    found = looked(tmp_path, data).problem
    assert found.removeprefix(f"{tmp_path / 'a.txt'} is ") == problem


@pytest.mark.parametrize("name", ["a.csv", "A.TSV"])
def test_a_table_of_text_is_known_by_its_name_alone(name: str, tmp_path: Path) -> None:
    problem = "a CSV table; save it as Parquet or JSON lines"
    assert looked(tmp_path, "a,b\n1,2\n", name).problem == problem
    assert looked(tmp_path, "a,b\n1,2\n", "a.txt").problem == ""
    assert looked(tmp_path, LINES, name).format == "jsonl"


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_what_is_not_packed_as_its_name_says_is_not_empty(ending: str, tmp_path: Path) -> None:
    assert looked(tmp_path, "", f"a{ending}").problem == "empty"
    for data in (PROSE, LINES, f"{DUMP}</mediawiki>"):
        problem = looked(tmp_path, data, f"a{ending}").problem
        assert problem.startswith(f"{tmp_path}/a{ending} is damaged or cut short near compressed")


def test_containers_in_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("dump.xml", f"{DUMP}</mediawiki>")
    assert look_into(tmp_path / "a.zip").problem == "wikipedia-xml in an archive; unpack it"


@pytest.mark.parametrize("beginning", [b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff"])
def test_damaged_tables_are_named(beginning: bytes, tmp_path: Path) -> None:
    problem = looked(tmp_path, beginning + b"damaged").problem
    assert problem.startswith(f"cannot read {tmp_path / 'a.txt'}: ")
    assert "\n" not in problem


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert str(tmp_path / "a.txt") in look_into(tmp_path / "a.txt").problem


# records


@pytest.mark.parametrize("count", [199, 200, 201])
def test_the_first_records_are_enough(count: int, tmp_path: Path) -> None:
    records = [{"text": f"Number {number}."} for number in range(count)]
    text = "".join(json.dumps(one) + "\n" for one in records)
    assert looked(tmp_path, text).records == records[:200]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    assert look_into(tmp_path / "a.parquet").records == records[:200]


def test_lines_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    found = looked(tmp_path, f'\ufeff{{"text": "a"}}\n\nnone\n[1]\n{"[" * 9999}\n{{"text": "b"}}')
    assert found.records == [{"text": "a"}, {"text": "b"}]


def test_a_line_that_the_sample_cuts_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_SAMPLE_BYTES", 2 * len('{"a": 12}\n') + 8)
    assert looked(tmp_path, '{"a": 12}\n' * 9).records == [{"a": 12}] * 2


def test_of_a_spread_array_whole_objects_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = json.dumps(RECORDS, indent=1)
    monkeypatch.setattr(contents, "_SAMPLE_BYTES", len(data) - 50)
    assert looked(tmp_path, data).records == RECORDS[:2]


def test_columns_of_tables_that_are_neither_text_nor_numbers_are_not_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a", "b"],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "id": [1, 2],
            "vector": [[0.5], [1.5]],
            "picture": [b"0", b"1"],
        }
    )
    wanted = [{"text": "a", "kind": "x", "id": 1}, {"text": "b", "kind": "y", "id": 2}]
    pq.write_table(table, tmp_path / "a.parquet")
    assert look_into(tmp_path / "a.parquet").records == wanted
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    assert look_into(tmp_path / "a.arrow").records == wanted


def test_tables_without_rows_have_no_records(tmp_path: Path) -> None:
    table = pa.table({"text": pa.array([], pa.string())})
    pq.write_table(table, tmp_path / "a.parquet")
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema),
    ):
        pass
    for name in ("a.parquet", "a.arrow"):
        found = look_into(tmp_path / name)
        assert (found.format, found.problem, list(found.records)) == (name[2:], "", [])


def test_a_cut_file_is_known_by_its_beginning(tmp_path: Path) -> None:
    write_parquet(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    assert looked(tmp_path, data[:-9]).problem.startswith("cannot read ")
    packed = gzip.compress(LINES.encode())
    assert looked(tmp_path, packed[:-9]).records == RECORDS


# lines and text


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        (SENTENCES, "lines"),
        (SENTENCES.replace("\n", "\r\n"), "lines"),
        (SENTENCES.partition("\n\n")[0], "text"),  # one document is any text
        ("The river was old.\n\nIt ran to the sea.\n", "text"),  # a paragraph a line
        ("The river was old\n" * 4 + "\n" + "It ran to the sea\n" * 4, "text"),  # cut anywhere
        (f"{PROSE}{PROSE}\n{PROSE}{PROSE}", "text"),  # sentences side by side
        ("東京は首都。\n川は古い。\n\n川は長い。\n海は近い。\n", "lines"),
    ],
)
def test_lines_are_sentences_in_several_documents(
    text: str, format_name: str, tmp_path: Path
) -> None:
    found = looked(tmp_path, text)
    assert (found.format, found.texts) == (format_name, (text,))
