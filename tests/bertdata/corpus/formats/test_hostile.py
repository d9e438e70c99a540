"""What nobody sends by accident, or hardly: each is documents and rejections with their place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertdata.corpus.config import CorpusConfig, Format, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.storage.manifest import read_manifest
from bertdata.tokens.vocabulary import read_vocabulary
from flows.views.verify import verify
from tests.bertdata.corpus.formats.web.test_pages import record
from tests.bertdata.corpus.formats.wikipedia.test_articles import END, HEAD, page
from tests.runs import make_run, some_documents

Item = Document | Rejection
DEEP = 10_000
TEXT = record("conversion", b"One line.", Content_Type="text/plain", WARC_Target_URI="http://a.b/")
LENGTH = b"Content-Length: 9"


def read(
    folder: Path, format_: str, data: bytes, unit_bytes: int = 1 << 40, **values: Any
) -> list[Item]:
    (folder / "f").write_bytes(data)
    corpus = CorpusConfig(
        name="c", format=format_, paths=("f",), **{"on_bad_file": "skip", **values}
    )
    units = plan_units(corpus, list_inputs(corpus, folder), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def outcome(item: Item) -> str:
    return item.text if isinstance(item, Document) else item.reason


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b'{"text":' + b"[" * DEEP + b"]" * DEEP + b"}", "invalid_json"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "invalid_json"),
        (b"[" * 1_000_000, "invalid_json"),
        (b'{"text": "x", "n": ' + b"9" * 5000 + b"}", "invalid_json"),
        (b'{"text": "x", "n": 1e999, "m": NaN, "o": -Infinity}', "x"),
        (b'{"text": "x", "id": ' + b"9" * 4000 + b"}", "x"),
        (b'{"text": "a\\ud800", "id": "b"}', "invalid_utf8"),
        (b'{"text": "a\\u0000b"}', "a\0b"),
        (b'{"text": 7, "id": "b"}', "missing_field"),
        (b'{"text": " ", "id": "b"}', "empty"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_json_costs_its_line_alone(tmp_path: Path, line: bytes, wanted: str) -> None:
    first, second = read(tmp_path, "jsonl", line + b'\n{"text": "after"}\n')
    assert outcome(first) == wanted
    assert outcome(second) == "after"
    if isinstance(first, Rejection):
        assert (
            "f, line at byte 0"
            in f"{first.detail} {first.document.replace('@', ', line at byte ')}"
        )


@pytest.mark.parametrize(
    "format_",
    [name for name in get_args(Format) if name != "demo"],
)
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xfe\0\0"])
def test_nothing_and_a_mark_before_nothing_are_no_document(
    tmp_path: Path, format_: str, data: bytes
) -> None:
    for item in read(tmp_path, format_, data):
        assert isinstance(item, Rejection)
        assert item.reason in ("empty", "unreadable_file")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]>'


def test_entities_are_never_declared(tmp_path: Path) -> None:
    declared_first = (BOMB + HEAD + page("A", "&l9;") + page("B", "y") + END).encode()
    items = read(tmp_path, "wikipedia-xml", declared_first)
    assert [outcome(item) for item in items] == ["invalid_xml", "y"]
    inside = f"<page>{BOMB}<title>B</title><revision><text>&l9;</text></revision></page>"
    items = read(tmp_path, "wikipedia-xml", (HEAD + inside + page("C", "y") + END).encode())
    assert [outcome(item) for item in items] == ["invalid_xml", "y"]


def test_deep_elements_are_one_page(tmp_path: Path) -> None:
    deep = f"<page>{'<a>' * DEEP}{'</a>' * DEEP}</page>"
    items = read(tmp_path, "wikipedia-xml", (HEAD + deep + page("B", "y") + END).encode())
    assert [outcome(item) for item in items] == ["empty", "y"]


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        (pa.string(), [None, "a", " "], ["missing_field", "a", "empty"]),
        (pa.int64(), [1], ["unreadable_file"]),
        (pa.list_(pa.string()), [["a"], None], ["unreadable_file"]),
        (pa.struct([("a", pa.string())]), [{"a": "x"}], ["unreadable_file"]),
        (pa.binary(), [b"x"], ["unreadable_file"]),
        (pa.null(), [None], ["unreadable_file"]),
    ],
    ids=str,
)
def test_columns_of_other_kinds(
    tmp_path: Path, kind: pa.DataType, values: list[Any], wanted: list[str]
) -> None:
    ids = [f"id-{number}" for number in range(len(values))]
    nested = [[{"b": number}] for number in range(len(values))]
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array(values, kind), "id": ids, "n": nested}), sink)
    items = read(tmp_path, "parquet", sink.getvalue(), id_field="id")
    assert [outcome(item) for item in items] == wanted
    for row, item in enumerate(items):
        if isinstance(item, Rejection) and item.reason != "unreadable_file":
            assert item.detail.startswith(f"f, row {row}: ")


def test_damage_of_a_row_group_is_the_same_for_any_units(tmp_path: Path) -> None:
    """Read in one go, what a damaged page leaves behind would be taken for the next group's."""
    sink = io.BytesIO()
    table = pa.table({"text": ["One.", None, "Two.", None, "x" * 300]})
    pq.write_table(table, sink, row_group_size=2, compression="zstd")
    compared = 0
    for place in range(4, 100):
        data = bytearray(sink.getvalue())
        data[place] ^= 2
        whole, cut = (read(tmp_path, "parquet", bytes(data), size) for size in (1 << 40, 50))
        if not any(outcome(item) == "unreadable_file" for item in (*whole, *cut)):
            assert [outcome(item) for item in whole] == [outcome(item) for item in cut], place
            compared += 1
    assert compared


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), sink)
    (item,) = read(tmp_path, "parquet", sink.getvalue())
    assert isinstance(item, Rejection)
    assert "several columns 'text'" in item.detail


@pytest.mark.parametrize(
    ("length", "wanted"),
    [
        (b"Content-Length: 4", ["One", "unreadable_file"]),
        (b"Content-Length: -9", ["unreadable_file"]),
        (b"Content-Length: " + b"9" * 18, ["unreadable_file"]),
        (b"Content-Length: " + b"9" * 500, ["unreadable_file"]),
        (b"Content-Length: nine", ["unreadable_file"]),
        (b"X: 9", ["unreadable_file"]),
    ],
    ids=lambda value: str(value)[:26],
)
def test_wrong_lengths_of_records_say_where(
    tmp_path: Path, length: bytes, wanted: list[str]
) -> None:
    items = read(tmp_path, "wet", TEXT.replace(LENGTH, length) + TEXT)
    assert [outcome(item).strip(".") for item in items] == wanted
    assert isinstance(items[-1], Rejection)
    assert "WARC record at byte" in items[-1].detail


def test_a_word_of_two_megabytes_goes_through_all_stages(tmp_path: Path) -> None:
    huge = f"Before. {'w' * 2_000_000} after. The end."
    run = make_run(tmp_path, {**some_documents(20), "huge.txt": huge}, fresh=True)
    assert read_manifest(run.sentences).counts["documents_written"] == 21
    vocabulary = read_vocabulary(run.vocab / "vocab.txt")
    assert not any("www" in piece for piece in vocabulary.tokens)
    assert verify(run.output) == []
