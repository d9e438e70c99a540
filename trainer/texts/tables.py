"""Rows of a user's table, one at a time: TSV, CSV, JSON lines, Parquet or Arrow.

The suffix decides: `.tsv` and `.txt` are tab-separated as in GLUE, where a quotation mark is a
character like any other; `.csv` is quoted as spreadsheets write it; `.jsonl` and `.json` hold one
object per line; `.parquet`; `.arrow`. Text files are UTF-8. They may be compressed (`.gz .bz2 .xz`
after the suffix), start with a byte order mark, and have Windows line ends.

The readers of corpora (`bertdata.corpus.formats`) are not used here: they cut files into units, and
report rejected records by their counts. A row of a task is an error if it cannot be read, and a
blank line is kept, because it separates sentences.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from bertdata.config import unknown_key
from bertdata.errors import ConfigError, InputError
from bertdata.storage.files import open_arrow_file, open_file
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line

_ROWS_AT_ONCE = 1024
_BLOCK_BYTES = 1 << 20
_MAX_CELL = 1 << 30  # csv's own limit is shorter than a long article
_OPENERS: Mapping[str, Callable[[BinaryIO], AbstractContextManager[Iterable[bytes]]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row's values by column. `where`: its place in messages, such as "dev.tsv line 12"."""

    where: str
    values: Mapping[str, object]

    def cell(self, column: str) -> object:
        """Return the value in a column. Raises ConfigError, naming the nearest, if it has none."""
        if column in self.values:
            return self.values[column]
        error = unknown_key(column, self.values, self.where, kind="column")
        if column.isdecimal():
            raise ConfigError(f"{error}; add --no-header if the file has no header")
        raise error


def read_rows(path: Location, *, header: bool = True) -> Iterator[Row]:
    """Read every row of a file, in order.

    `header`: whether the first line of TSV and CSV names the columns; without it they are "1",
    "2", … Blank lines of text files are skipped.

    Raises ConfigError for an unknown suffix, InputError if the file cannot be read, is damaged, is
    not UTF-8, or a line has another number of columns.
    """
    return (row for row in _rows_and_blanks(path, header) if row is not None)


def read_groups(path: Location, *, header: bool = True) -> Iterator[list[Row]]:
    """Read the same rows in lists, which end at the blank lines of a text file; none is empty."""
    rows = _rows_and_blanks(path, header)
    for is_row, group in itertools.groupby(rows, key=lambda row: row is not None):
        if is_row:
            yield [row for row in group if row is not None]


def _rows_and_blanks(path: Location, header: bool) -> Iterator[Row | None]:
    """Read the rows, and None for each blank line between them."""
    kind = table_kind(path)
    with _readable(path, kind):
        yield from _READERS[kind](path, header)


def read_lines(path: Location) -> Iterator[tuple[int, str]]:
    r"""Read (number from 1, line with its end) of each line of a UTF-8 file; only `\n` ends a line.

    Raises InputError if the file cannot be read, is damaged or not UTF-8.
    """
    with _readable(path, "text"):
        yield from _text_lines(path)


@contextlib.contextmanager
def _readable(path: Location, kind: str) -> Iterator[None]:
    """Raise InputError for the errors of readers about a bad file."""
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise InputError(
            f"cannot read {path}: {reason}; name a complete file that you may read"
        ) from error
    except (csv.Error, pa.ArrowException) as error:
        raise InputError(
            f"{path} is not a complete {kind} file: {first_line(error)}; write it again"
        ) from error


def table_kind(path: Location) -> str:
    """Return tsv, csv, jsonl, parquet or arrow. Raises ConfigError for any other suffix."""
    kind = _KINDS.get(plain_suffix(path))
    if kind is None:
        raise ConfigError(
            f"cannot tell the format of {path}; its name must end in {', '.join(_KINDS)}"
        )
    return kind


def plain_suffix(path: Location) -> str:
    """Return the suffix without that of a compression: ".tsv" for "train.TSV.gz"."""
    plain = Path(path.name)
    return (plain.with_suffix("") if plain.suffix.lower() in _OPENERS else plain).suffix.lower()


def _text_lines(path: Location) -> Iterator[tuple[int, str]]:
    with _open_lines(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                message = f"{path.name} line {number} is not UTF-8 at its byte {error.start + 1}"
                raise InputError(f"{message}; save the file as UTF-8") from error


@contextlib.contextmanager
def _open_lines(path: Location) -> Iterator[Iterable[bytes]]:
    """The lines of a file as bytes, decompressed by its suffix."""
    opener = _OPENERS.get(path.suffix.lower())
    with open_file(path) as file, io.BufferedReader(cast(io.RawIOBase, file), _BLOCK_BYTES) as raw:
        if opener is None:
            yield raw
            return
        with opener(raw) as plain:
            yield plain


def _read_tsv(path: Location, header: bool) -> Iterator[Row | None]:
    lines = (
        (number, line.removesuffix("\n").removesuffix("\r")) for number, line in _text_lines(path)
    )
    cells = ((number, line.split("\t") if line.strip(" ") else []) for number, line in lines)
    return _name_columns(path, cells, header)


def _read_csv(path: Location, header: bool) -> Iterator[Row | None]:
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader((line for _, line in _text_lines(path)), strict=True)
    return _name_columns(path, ((reader.line_num, cells) for cells in reader), header)


def _name_columns(
    path: Location, numbered: Iterable[tuple[int, Sequence[str]]], header: bool
) -> Iterator[Row | None]:
    names: list[str] = []
    for number, cells in numbered:
        where = f"{path.name} line {number}"
        if not cells:
            yield None
        elif not names and header:
            names = _check_names([cell.strip() for cell in cells], where)
        else:
            names = names or [str(place) for place in range(1, len(cells) + 1)]
            if len(cells) != len(names):
                raise InputError(
                    f"{where} has {len(cells)} columns, the first line {len(names)}; "
                    "give every line as many"
                )
            yield Row(where, dict(zip(names, cells)))


def _check_names(names: list[str], where: str) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            message = f"{where} names two columns {name!r}"
            raise InputError(f"{message}; add --no-header if the file has no header")
    return names


def _read_jsonl(path: Location, _header: bool) -> Iterator[Row]:
    for number, line in _text_lines(path):
        if line.strip():
            yield Row(f"{path.name} line {number}", _to_object(line, f"{path.name} line {number}"))


def _to_object(line: str, where: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON ({error}); write one object per line") from error
    if not isinstance(value, dict):
        raise InputError(f"{where} is a JSON {type(value).__name__}; write one object per line")
    return value


def _read_parquet(path: Location, _header: bool) -> Iterator[Row]:
    source = path if isinstance(path, Path) else open_arrow_file(path)
    with pq.ParquetFile(source) as file:
        yield from _batch_rows(path, file.iter_batches(batch_size=_ROWS_AT_ONCE))


def _read_arrow(path: Location, _header: bool) -> Iterator[Row]:
    is_local = isinstance(path, Path)
    opened = pa.memory_map(str(path)) if is_local else open_arrow_file(path)
    with opened as source, pa.ipc.open_file(source) as file:
        yield from _batch_rows(path, map(file.get_batch, range(file.num_record_batches)))


def _batch_rows(path: Location, batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            for values in batch.slice(start, _ROWS_AT_ONCE).to_pylist():
                number += 1
                yield Row(f"{path.name} row {number}", values)


_READERS: Mapping[str, Callable[[Location, bool], Iterator[Row | None]]] = {
    "tsv": _read_tsv,
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
}
_KINDS = {
    ".tsv": "tsv",
    ".txt": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
