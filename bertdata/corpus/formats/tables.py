"""`parquet` and `arrow` (IPC files and streams, as `datasets` saves them): one document per row.

Their blocks are row groups and record batches. Without an `id_field`, or if its value is neither an
integer nor a non-empty string, a document is named `file name@row number`.

(`trainer` reads its users' tables by itself: whole rows of any columns, for which an error ends the
run. Here only text and id are read, and a damaged row or block must not affect the others.)
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection, at_place
from bertdata.corpus.formats.arrow_messages import (
    ARROW_FILE_MAGIC,
    open_hollow_stream,
    open_stream_at,
)
from bertdata.corpus.formats.decoding import decode
from bertdata.corpus.formats.jsonl import record_id
from bertdata.corpus.packed.packed_files import Allowance
from bertdata.errors import InputError
from bertdata.storage.files import open_arrow_file
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.shards import first_line

_ROWS_AT_ONCE = 64
_BYTES_AT_ONCE = 8 << 20
_USUAL_RATIO = 32  # more than general compression makes of prose
_FETCH_BYTES = 8 << 20  # of a column on other storage; of a local one, all of a row group


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A row group or record batch: its number of rows, its bytes in memory."""

    rows: int
    bytes: int


def read_parquet(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The documents of a range of row groups. Raises InputError."""
    with _readable(part.path), _open_parquet(locate(part.path)) as file:
        _check_column(file.schema_arrow, part.path, corpus)
        stop = file.num_row_groups if part.stop is None else part.stop
        columns = _wanted_columns(file.schema_arrow, corpus)
        # One by one: a damaged group must not affect the next.
        groups = (
            file.iter_batches(
                _rows_at_once(file.metadata.row_group(group), corpus.text_field),
                [group],
                columns,
                use_threads=False,
            )
            for group in range(part.start, stop)
        )
        yield from _read_batches(itertools.chain.from_iterable(groups), part, corpus)


def read_arrow(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The documents of a range of record batches. Raises InputError."""
    path = locate(part.path)
    with _readable(part.path), _open_source(path) as source:
        schema, batches = _open_arrow(path, source, part.start, part.stop)
        _check_column(schema, part.path, corpus)
        yield from _read_batches(batches, part, corpus)


def parquet_blocks(path: Location, corpus: CorpusConfig) -> list[Block]:
    """The row groups of a Parquet file. Raises InputError, also when the text column is missing."""
    with _readable(str(path)), _open_parquet(path) as file:
        _check_column(file.schema_arrow, str(path), corpus)
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        return [Block(rows=group.num_rows, bytes=group.total_byte_size) for group in groups]


def arrow_blocks(path: Location, corpus: CorpusConfig) -> list[Block]:
    """The record batches of an Arrow file or stream. Raises InputError like `parquet_blocks`."""
    with _readable(str(path)), _open_source(path) as source:
        schema, batches = _open_arrow(path, source, 0, None)
        _check_column(schema, str(path), corpus)
        if isinstance(path, Address) and (blocks := _hollow_blocks(path, source)):
            return blocks
        return list(map(_to_block, batches))


def _to_block(batch: pa.RecordBatch) -> Block:
    # Not `nbytes`, which reads columns that may be damaged.
    return Block(rows=batch.num_rows, bytes=batch.get_total_buffer_size())


def _hollow_blocks(address: Address, source: pa.NativeFile) -> list[Block]:
    """The record batches of a file on other storage, not fetched; none if that is not possible."""
    try:
        blocks = list(map(_to_block, open_hollow_stream(address)))
    except (pa.ArrowException, OSError):  # compressed batches, or a damaged file
        return []
    is_same = not _is_arrow_file(source) or len(blocks) == _count_batches(source)
    return blocks if is_same else []


def _count_batches(source: pa.NativeFile) -> int:
    return int(pa.ipc.open_file(source).num_record_batches)


@contextlib.contextmanager
def _open_parquet(path: Location) -> Iterator[pq.ParquetFile]:
    if isinstance(path, Path):
        with pq.ParquetFile(path) as file:
            yield file
        return
    with open_arrow_file(path) as source, pq.ParquetFile(source, buffer_size=_FETCH_BYTES) as file:
        yield file


def _open_source(path: Location) -> pa.NativeFile:
    return pa.memory_map(str(path)) if isinstance(path, Path) else open_arrow_file(path)


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn errors of pyarrow about a bad file into InputError."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {first_line(error)}") from error


def _check_column(schema: pa.Schema, path: str, corpus: CorpusConfig) -> None:
    if corpus.text_field not in schema.names:
        known = ", ".join(schema.names)
        raise InputError(
            f"{path} has no column {corpus.text_field!r}; set text_field to one of {known}"
        )
    for name in filter(None, (corpus.text_field, corpus.id_field)):
        if schema.names.count(name) > 1:
            raise InputError(f"{path} has several columns {name!r}; name another")
    kind = schema.field(corpus.text_field).type
    if not _is_text(_value_type(kind)):
        raise InputError(
            f"{path}: column {corpus.text_field!r} is {kind}, not text; set text_field to another"
        )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _wanted_columns(schema: pa.Schema, corpus: CorpusConfig) -> list[str]:
    wanted = dict.fromkeys(filter(None, (corpus.text_field, corpus.id_field)))
    return [name for name in wanted if name in schema.names]


def _rows_at_once(group: pq.RowGroupMetaData, column: str) -> int:
    """The number of rows of a row group to decode together: fewer if their texts are long."""
    columns = map(group.column, range(group.num_columns))
    size = sum(_text_bytes(c, group.num_rows) for c in columns if c.path_in_schema == column)
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, size)))


def _text_bytes(column: pq.ColumnChunkMetaData, num_rows: int) -> int:
    """The bytes of a text of this column: the mean, or all if one word may be in many rows."""
    size = int(column.total_uncompressed_size)
    if column.has_dictionary_page and size > _USUAL_RATIO * column.total_compressed_size:
        return size
    return size // max(1, num_rows)


def _open_arrow(
    path: Location, source: pa.NativeFile, start: int, stop: int | None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the record batches from `start` up to `stop` of a file or stream."""
    if _is_arrow_file(source):
        file = pa.ipc.open_file(source)
        numbers = range(start, file.num_record_batches if stop is None else stop)
        return file.schema, (file.get_batch(number) for number in numbers)
    if isinstance(path, Address):
        stream = open_stream_at(path, start)
        return stream.schema, itertools.islice(stream, None if stop is None else stop - start)
    stream = pa.ipc.open_stream(source)
    return stream.schema, itertools.islice(stream, start, stop)


def _is_arrow_file(source: pa.NativeFile) -> bool:
    beginning = source.read(len(ARROW_FILE_MAGIC))
    source.seek(0)
    return bool(beginning == ARROW_FILE_MAGIC)


def _read_batches(
    batches: Iterator[pa.RecordBatch], part: FilePart, corpus: CorpusConfig
) -> Iterator[Document | Rejection]:
    row = part.first_row
    allowance = Allowance(locate(part.path), corpus.max_compression_ratio)
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            for text, value in _pairs(batch.slice(start, _ROWS_AT_ONCE), corpus):
                # A small dictionary can make many rows.
                allowance.take(len(text or b"") + (len(value) if isinstance(value, str) else 0))
                fallback = f"{part.name}@{row}"
                document = record_id(value, fallback)
                place = "" if document == fallback else f"{part.name}, row {row:,}"
                yield _read_row(text, document, place, corpus)
                row += 1


def _pairs(batch: pa.RecordBatch, corpus: CorpusConfig) -> Iterator[tuple[bytes | None, object]]:
    """(UTF-8 text, id) of each row, as bytes: pyarrow would stop at invalid UTF-8."""
    yield from zip(_iterate_bytes(batch.column(corpus.text_field)), _iterate_ids(batch, corpus))


def _iterate_ids(batch: pa.RecordBatch, corpus: CorpusConfig) -> Iterator[object]:
    """Integers and strings for `record_id`; None for columns of other types."""
    has_ids = corpus.id_field and corpus.id_field in batch.schema.names
    ids = batch.column(corpus.id_field) if has_ids else None
    if ids is not None and pa.types.is_integer(ids.type):
        yield from _checked(ids).to_pylist()
    elif ids is not None and _is_text(_value_type(ids.type)):
        for value in _iterate_bytes(ids):
            yield value if value is None else value.decode("utf-8", "backslashreplace")
    else:
        yield from itertools.repeat(None, batch.num_rows)


def _iterate_bytes(texts: pa.Array) -> Iterator[bytes | None]:
    """Texts as bytes, so that one with invalid UTF-8 does not affect the others.

    One by one: each may be as long as a file.
    """
    if pa.types.is_dictionary(texts.type):
        words = texts.dictionary.view(_BYTES[texts.dictionary.type])
        found = _checked(pa.DictionaryArray.from_arrays(texts.indices, words, safe=False))
    else:
        found = _checked(texts.view(_BYTES[texts.type]))
    yield from (text.as_py() for text in found)


def _checked(array: pa.Array) -> pa.Array:
    """The same array, checked not to point outside its buffers. Raises ArrowInvalid.

    pyarrow does not check files that it maps, and would crash.
    """
    array.validate(full=True)
    return array


_BYTES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}


def _read_row(
    data: bytes | None, document: str, place: str, corpus: CorpusConfig
) -> Document | Rejection:
    if data is None:
        detail = f"{corpus.text_field!r} is null"
        rejection = Rejection(
            source=corpus.name, document=document, reason="missing_field", detail=detail
        )
        return at_place(rejection, place)
    text = decode(data, corpus, document)
    if isinstance(text, Rejection):
        return at_place(text, place)
    return Document(source=corpus.name, document=document, text=text, place=place)
