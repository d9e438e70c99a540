"""Rows of users' files: every format, what real files hold, and what cannot be read."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.errors import ConfigError, InputError
from bertdata.storage.locations import Address
from bertdata.storage.shards import write_arrow
from tests.copies import copy_folder, write_bytes
from trainer.texts.tables import read_groups, read_lines, read_rows

ROWS = [{"text": 'say "no", twice', "label": "0"}, {"text": " é\u2028x ", "label": "1"}]


def write_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(ROWS)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.tsv": lambda p: p.write_text('text\tlabel\nsay "no", twice\t0\n é\u2028x \t1\n'),
    "a.csv": write_csv,
    "a.jsonl": lambda p: p.write_text("\n".join(map(json.dumps, ROWS))),
    "a.parquet": lambda p: pq.write_table(pa.Table.from_pylist(ROWS), p),
    "a.arrow": lambda p: write_arrow(
        p, (batch := pa.RecordBatch.from_pylist(ROWS)).schema, [batch]
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert [dict(row.values) for row in read_rows(tmp_path / name)] == ROWS


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_text(suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    WRITERS["a.tsv"](tmp_path / "a.tsv")
    path = tmp_path / f"a.TSV{suffix}"
    path.write_bytes(compress((tmp_path / "a.tsv").read_bytes()))
    assert [dict(row.values) for row in read_rows(path)] == ROWS
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"cannot read .*a.TSV"):
        list(read_rows(path))


def test_byte_order_mark_windows_line_ends_and_bare_quotes(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(b'\xef\xbb\xbfQuality\t#1 String\r\n1\the said "no\r\n\r\n0\tyes"\r\n')
    assert [row.values for row in read_rows(path)] == [
        {"Quality": "1", "#1 String": 'he said "no'},
        {"Quality": "0", "#1 String": 'yes"'},
    ]
    assert [row.where for row in read_rows(path)] == ["train.tsv line 2", "train.tsv line 4"]
    assert [len(group) for group in read_groups(path)] == [1, 1]


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("good\t1\nbad\t0")
    rows = list(read_rows(tmp_path / "a.tsv", header=False))
    assert [row.cell("1") for row in rows] == ["good", "bad"]
    assert rows[1].cell("2") == "0"


def test_real_glue_files(shared_data: Path) -> None:
    folder = shared_data / "classification"
    mrpc = list(read_rows(folder / "mrpc" / "msr_paraphrase_train.txt"))
    assert len(mrpc) == 4076
    assert set(mrpc[0].values) == {"Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"}
    assert {row.cell("Quality") for row in mrpc} == {"0", "1"}
    cola = list(read_rows(folder / "cola" / "in_domain_train.tsv", header=False))
    assert len(cola) == 8551
    assert {row.cell("2") for row in cola} == {"0", "1"}


@given(st.lists(st.text(st.characters(exclude_characters="\t\n\r", codec="utf-8")), min_size=2))
def test_tsv_keeps_any_cell(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    path.write_bytes(("x\t" + "\t".join(cells) + "\n").encode())
    (row,) = read_rows(path, header=False)
    assert list(row.values.values()) == ["x", *cells]


def test_unknown_columns_name_the_nearest(tmp_path: Path) -> None:
    WRITERS["a.tsv"](tmp_path / "a.tsv")
    (row, _) = read_rows(tmp_path / "a.tsv")
    with pytest.raises(ConfigError, match=r"a.tsv line 2 has no column 'lable'; did you mean"):
        row.cell("lable")
    with pytest.raises(ConfigError, match=r"known: label, text; add --no-header"):
        row.cell("3")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.tsv", b"a\tb\n1\t2\t3\n", "a.tsv line 2 has 3 columns, the first line 2"),
        ("a.tsv", b"a\ta\n", "a.tsv line 1 names two columns 'a'; .* --no-header"),
        ("a.tsv", b"a\n\xff\n", "a.tsv line 2 is not UTF-8 at its byte 1; save the file as UTF-8"),
        ("a.csv", b'a,b\n1,"2\n', "is not a complete csv file: unexpected end of data"),
        ("a.jsonl", b"{}\n[1]\n", "a.jsonl line 2 is a JSON list; write one object per line"),
        ("a.jsonl", b"{", "a.jsonl line 1 is not JSON"),
        ("a.parquet", b"PAR1", "a.parquet"),
        ("a.arrow", b"", "a.arrow"),
    ],
)
def test_files_that_cannot_be_read(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        list(read_rows(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_missing_files_and_unknown_kinds(tmp_path: Path) -> None:
    for name in ("none.tsv", "none.parquet", "none.arrow"):
        with pytest.raises(InputError, match=f"cannot read .*{name}: "):
            list(read_rows(tmp_path / name))
    with pytest.raises(
        ConfigError, match=r"cannot tell the format of .*a.doc; its name must end in .tsv, .txt"
    ):
        list(read_rows(tmp_path / "a.doc"))
    with pytest.raises(InputError, match="cannot read"):
        list(read_lines(tmp_path / "none.txt"))


def test_tables_at_an_address(tmp_path: Path, s3: Address) -> None:
    for name, write in WRITERS.items():
        write(tmp_path / name)
    for suffix, compress in (
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
    ):
        (tmp_path / f"a.TSV{suffix}").write_bytes(compress((tmp_path / "a.tsv").read_bytes()))
    copy_folder(tmp_path, s3)
    for name in [*WRITERS, "a.TSV.gz", "a.TSV.bz2", "a.TSV.xz"]:
        assert [dict(row.values) for row in read_rows(s3 / name)] == ROWS
    assert list(read_lines(s3 / "a.tsv")) == list(read_lines(tmp_path / "a.tsv"))


@pytest.mark.parametrize("name", [*WRITERS, "a.tsv.gz"])
def test_tables_at_an_address_that_cannot_be_read(s3: Address, name: str) -> None:
    with pytest.raises(InputError, match=f"cannot read {s3}/{name}: "):
        list(read_rows(s3 / name))
    write_bytes(s3 / name, b"\xff\xfe\x00")
    with pytest.raises(InputError, match=name):
        list(read_rows(s3 / name))
