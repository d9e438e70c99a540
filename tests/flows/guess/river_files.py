"""Files of every format with a few documents about a river, also misnamed ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.bertdata.corpus.formats.web.test_pages import record, response

PROSE = "The river was old and it ran to the sea. It is a long way from the hills to the town.\n"
HTML = f"<html><body><article><p>{PROSE * 4}</p></article></body></html>"
RECORDS = [{"url": f"http://a.b/{i}", "title": "It", "content": PROSE * 2} for i in range(3)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)
TABLE = pa.Table.from_pylist(RECORDS)
SENTENCES = "The river was old.\nIt ran to the sea.\n\nThe river is far.\nThe river is near.\n"
DUMP = "<mediawiki>\n" + "".join(
    f"<page><title>P{i}</title><ns>0</ns><revision><text>{PROSE}</text></revision></page>\n"
    for i in range(3)
)


def write_parquet(path: Path) -> None:
    pq.write_table(TABLE, path)


def write_arrow(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


def write_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


def written(data: str | bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(data.encode() if isinstance(data, str) else data))


def void(_: object) -> None:
    """Take a value and return none."""


def write_tar(path: Path) -> None:
    inner = path.with_name(".inner")
    inner.write_text(LINES)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(inner, "a.jsonl")


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", PROSE)
        archive.writestr("b.txt", PROSE * 2)


FIELDS = {"text_field": "content", "id_field": "url"}
CASES: dict[str, tuple[str, Callable[[Path], None], str, dict[str, str]]] = {
    "text": ("a.txt", written(PROSE), "text", {}),
    "text, gzip": ("a.txt.gz", written(gzip.compress(PROSE.encode())), "text", {}),
    "text, UTF-16": ("a.txt", written(PROSE.encode("utf-16")), "text", {}),
    "text, one bad byte": ("a.txt", written(("é" * 99).encode() + b"\xff" + b"a" * 9), "text", {}),
    "text in a ZIP": ("a.zip", write_zip, "text", {}),
    "lines": ("a.txt", written(SENTENCES), "lines", {}),
    "jsonl": ("a.jsonl", written(LINES), "jsonl", FIELDS),
    "jsonl, bz2": ("a.jsonl.bz2", written(bz2.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl, xz": ("a.jsonl.xz", written(lzma.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl, zstd": ("a.zst", written(zstandard.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl in a tar": ("a.tar.gz", write_tar, "jsonl", FIELDS),
    "jsonl called text": ("a.txt", written(LINES), "jsonl", FIELDS),
    "jsonl, packed, without an ending": (
        "a",
        written(gzip.compress(LINES.encode())),
        "jsonl",
        FIELDS,
    ),
    "an array": ("a.json", written(json.dumps(RECORDS)), "jsonl", FIELDS),
    "objects over several lines": (
        "a.json",
        written(json.dumps(RECORDS, indent=1)),
        "jsonl",
        FIELDS,
    ),
    "parquet": ("a.parquet", write_parquet, "parquet", FIELDS),
    "parquet called text": ("a.txt", write_parquet, "parquet", FIELDS),
    "arrow": ("a.arrow", write_arrow, "arrow", FIELDS),
    "an arrow stream called data": ("a.data", write_stream, "arrow", FIELDS),
    "dump": ("a.xml", written(DUMP + "</mediawiki>"), "wikipedia-xml", {}),
    "dump, bz2": (
        "a.xml.bz2",
        written(bz2.compress(f"{DUMP}</mediawiki>".encode())),
        "wikipedia-xml",
        {},
    ),
    "dump called text": ("a.txt", written(DUMP + "</mediawiki>"), "wikipedia-xml", {}),
    "warc": ("a.warc.gz", written(gzip.compress(response(HTML.encode()))), "warc", {}),
    "wet": (
        "a.wet",
        written(record("conversion", PROSE.encode(), WARC_Target_URI="http://a.b/")),
        "wet",
        {},
    ),
}
