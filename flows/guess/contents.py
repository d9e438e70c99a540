"""The format of a file, and what its records hold, by its first bytes; names are not trusted."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from bertdata.corpus.compression import find_compression, read_range
from bertdata.corpus.config import CorpusConfig, FilePart, Format, InputUnit
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.json_objects import is_spread_out, iter_objects
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.packed.packed_files import TextFile, iter_files
from bertdata.errors import InputError
from bertdata.storage.files import open_arrow_file
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from flows.guess.encodings import find_text

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_SAMPLE_BYTES = 1 << 18  # of a text file
_SAMPLE_RECORDS = 200
_SAMPLE_ITEMS = 1000  # of which few may be documents
_SAMPLE_DOCUMENTS = 20
_PARQUET, _ARROW = b"PAR1", (b"ARROW1", b"\xff\xff\xff\xff")
_XML, _HTML = (
    re.compile(rb"\s*<(?:\?xml|mediawiki)"),
    re.compile(rb"(?i)\s*<(?:!doctype html|html)"),
)
_WARC = re.compile(rb"WARC/\d")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*[\[{\"])")
_OBJECT = re.compile(r"\s*\{\s*\"")
_END = re.compile(r"[.!?。！？؟।…։።၊][\"'”’»)\]]*$")
_INNER_END = re.compile(r"[.!?][\"'”’»)]*\s+[A-Z\u00c0-\u00de\u0410-\u042f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a file holds. `problem`: why it cannot be input, or ""; then the rest says nothing.

    `compression`: the suffix that its content has, or "". `records`: of jsonl and tables, the first
    ones. `texts`: of the others, the beginnings of documents.
    """

    format: Format = "text"
    problem: str = ""
    compression: str = ""
    encoding: str = "utf-8"
    records: Sequence[Mapping[str, object]] = ()
    texts: Sequence[str] = ()
    is_archive: bool = False


def look_into(path: Location) -> Content:
    """What a file holds, by its content; what goes wrong is its `problem`."""
    try:
        return _look_into(path)
    except InputError as error:
        return Content(problem=str(error))


def _look_into(path: Location) -> Content:
    with contextlib.closing(read_range(path, 0, None, _SAMPLE_BYTES)) as blocks:
        beginning = next(blocks, b"")
    if not beginning:
        return Content(problem="empty")
    if beginning.startswith(_PARQUET):
        return _look_into_table(path, "parquet")
    if beginning.startswith(_ARROW):
        return _look_into_table(path, "arrow")
    problem = "empty"
    with contextlib.closing(iter_files(_part(path), _corpus("text", path))) as files:
        for file in files:
            if not file.problem:
                return _look_into_text(path, file, find_compression(beginning))
            problem = file.problem
    return Content(problem=problem)


def _part(path: Location) -> FilePart:
    return FilePart(path=str(path), name=path.name)


def _corpus(format_name: Format, path: Location) -> CorpusConfig:
    return CorpusConfig(name=path.name, format=format_name, paths=(str(path),))


def _look_into_text(path: Location, file: TextFile, compression: str) -> Content:
    data = _take(file.blocks)
    if format_name := _name_container(data):
        if file.name != path.name:
            return Content(problem=f"{format_name} in an archive; unpack it")
        return _look_into_documents(path, format_name, compression)
    encoding, text = find_text(data)
    records = _read_objects(data, text)
    if problem := "" if records else _name_problem(path, data, encoding):
        return Content(problem=problem)
    has_lines = _has_sentence_lines(text)
    return Content(
        format="jsonl" if records else "lines" if has_lines else "text",
        compression=compression,
        encoding=encoding,
        records=records,
        texts=() if records else (text,),
        is_archive=file.name != path.name,
    )


def _name_container(data: bytes) -> Format | None:
    """The format of many documents with mark-up around them; None for other text."""
    if _WARC.match(data):
        return "wet" if b"WARC-Type: conversion" in data else "warc"
    return "wikipedia-xml" if _XML.match(data) and b"<mediawiki" in data else None


def _name_problem(path: Location, data: bytes, encoding: str) -> str:
    """Why a text without JSON objects cannot be input, or ""."""
    if not data.strip():
        return "empty"
    if not encoding:
        return "not text, or in an encoding that is not recognised; convert it to UTF-8"
    if _HTML.match(data):
        return "a web page; pages are read from WARC files"
    if _XML.match(data):
        return "XML; write its texts as JSON lines"
    if _JSON.match(data):
        return "JSON, but not objects one per line or in one array; write its texts as JSON lines"
    if path.suffix.lower() in (".csv", ".tsv"):
        return "a CSV table; save it as Parquet or JSON lines"
    return ""


def _take(blocks: Iterator[bytes]) -> bytes:
    """The first bytes of a file; fewer if it is damaged further on.

    Raises InputError if it is damaged from the start: a run reads nothing of it.
    """
    pieces, size = list[bytes](), 0
    try:
        for block in blocks:
            pieces.append(block)
            size += len(block)
            if size >= _SAMPLE_BYTES:
                break
    except InputError:
        if not pieces:
            raise
    return b"".join(pieces)[:_SAMPLE_BYTES]


def _look_into_documents(path: Location, format_name: Format, compression: str) -> Content:
    """A file of many documents: its first ones, as a run reads them."""
    suffix = path.suffix.lower()
    if compression != (suffix if suffix in COMPRESSIONS else ""):
        end = f"end in {compression}" if compression else f"not end in {suffix}"
        return Content(problem=f"{format_name} whose name should {end}; rename it")
    unit = InputUnit(corpus=_corpus(format_name, path), parts=(_part(path),), bytes=0)
    with contextlib.closing(cast(Generator[Document | Rejection], read_unit(unit))) as items:
        first = itertools.islice(items, _SAMPLE_ITEMS)
        texts = [item.text for item in first if isinstance(item, Document)]
    if not texts:
        return Content(problem=f"{format_name} without a text in its first {_SAMPLE_ITEMS} records")
    return Content(format=format_name, compression=compression, texts=texts[:_SAMPLE_DOCUMENTS])


def _look_into_table(path: Location, format_name: Format) -> Content:
    try:
        with open_arrow_file(path) as source:
            batch = _first_parquet(source) if format_name == "parquet" else _first_arrow(source)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {first_line(error)}") from error
    return Content(format=format_name, records=batch.slice(0, _SAMPLE_RECORDS).to_pylist())


def _first_parquet(source: pa.NativeFile) -> pa.RecordBatch:
    """The first rows; columns of other kinds than text and numbers may be large."""
    with pq.ParquetFile(source) as file:
        names = [field.name for field in file.schema_arrow if _is_shown(field.type)]
        rows = file.iter_batches(_SAMPLE_RECORDS, columns=names, use_threads=False)
        return next(rows, pa.record_batch([], names=[]))


def _first_arrow(source: pa.NativeFile) -> pa.RecordBatch:
    try:
        reader = pa.ipc.open_file(source)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    except pa.ArrowInvalid:
        source.seek(0)
        batches = iter(pa.ipc.open_stream(source))
    batch = next(batches, None) or pa.record_batch([], names=[])
    return batch.select([field.name for field in batch.schema if _is_shown(field.type)])


def _is_shown(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(value) or pa.types.is_large_string(value)
    return bool(is_text or pa.types.is_string_view(value) or pa.types.is_integer(value))


def _read_objects(data: bytes, text: str) -> list[Mapping[str, object]]:
    """The first JSON objects of a text; none unless it begins with one."""
    if is_spread_out(text[:1024].encode()):
        return _spread_objects(text.encode())
    if not _OBJECT.match(text.removeprefix("\ufeff")):
        return []
    is_cut = len(data) >= _SAMPLE_BYTES
    lines = text.removeprefix("\ufeff").split("\n")
    found = map(_parse, lines[:-1] if is_cut and len(lines) > 1 else lines)
    return _records(found)


def _spread_objects(data: bytes) -> list[Mapping[str, object]]:
    pieces: list[bytes] = []
    with contextlib.suppress(InputError):  # the beginning ends inside an object
        pieces += (piece for _, piece in iter_objects([data], _SAMPLE_BYTES, ""))
    return _records(_parse(piece.decode()) for piece in pieces)


def _records(found: Iterable[object]) -> list[Mapping[str, object]]:
    objects = (value for value in found if isinstance(value, dict))
    return list(itertools.islice(objects, _SAMPLE_RECORDS))


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_sentence_lines(text: str) -> bool:
    """Whether lines are sentences already, with blank lines between documents."""
    blocks = [block.splitlines() for block in re.split(r"\n[ \t\r]*\n", text.strip())]
    lines = [line.strip() for block in blocks for line in block if line.strip()]
    if len(blocks) < 2 or len(lines) < 2 * len(blocks):
        return False
    ends = sum(_END.search(line) is not None for line in lines)
    inner = sum(_INNER_END.search(line) is not None for line in lines)
    return ends > 0.8 * len(lines) and inner < 0.2 * len(lines)
