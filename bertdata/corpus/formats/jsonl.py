"""`jsonl`: one JSON object per line; `text_field` and `id_field` name its keys.

Without an `id_field`, or if its value is neither an integer nor a non-empty string, a document is
named `file name@byte offset of its line`. Blank lines are skipped. A file that is one array of
objects, or has objects spread over several lines, is read object by object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from bertdata.config import Table
from bertdata.corpus.compression import SEARCH_BYTES, read_range
from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Reason, Rejection, at_place, printable_name
from bertdata.corpus.formats.byte_lines import iter_lines, utf8_blocks
from bertdata.corpus.formats.decoding import decode, without_surrogates
from bertdata.corpus.formats.json_objects import is_spread_out, iter_objects
from bertdata.corpus.packed.packed_files import TextFile, peek, read_files
from bertdata.storage.locations import Location

# Limits for the other fields of a record without text, in the detail of its rejection.
_SHOWN_FIELDS, _SHOWN_CHARACTERS = 8, 40


def read_jsonl(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The documents of a range that starts and ends between lines. Raises InputError."""
    return read_files(part, corpus, _read_file)


def _read_file(file: TextFile, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    encoding, blocks = utf8_blocks(file, corpus)
    for offset, line in _iter_records(blocks, file, corpus):
        fallback = f"{file.name}@{offset}"
        text = decode(line, corpus, fallback, offset, encoding)
        if isinstance(text, Rejection):
            yield text
        elif text.strip():
            yield _read_line(text, fallback, corpus)


def _iter_records(
    blocks: Iterator[bytes], file: TextFile, corpus: CorpusConfig
) -> Iterator[tuple[int, bytes]]:
    """(offset, JSON) of each line, or of each object of a file that is one array of them."""
    max_bytes = corpus.max_document_bytes
    beginning, blocks = peek(blocks)
    if not file.offset and is_spread_out(beginning):
        return iter_objects(blocks, max_bytes, file.name)
    return iter_lines(blocks, file.offset, max_bytes)


def find_line(path: Location, position: int) -> int | None:
    """The start of the first line that begins at byte `position` or later, or None."""
    start, is_ended = position - 1, False  # from the end of the line before
    for block in read_range(path, start, None, SEARCH_BYTES):
        end = -1 if is_ended else block.find(b"\n")
        if is_ended or 0 <= end < len(block) - 1:
            return start + end + 1
        is_ended = end >= 0
        start += len(block)
    return None


def record_id(value: object, fallback: str) -> str:
    """The id of a record, or the fallback if it is neither an integer nor a non-empty string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return printable_name(value) if isinstance(value, str) and value else fallback


def _read_line(line: str, fallback: str, corpus: CorpusConfig) -> Document | Rejection:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _reject(corpus, fallback, "invalid_json", f"{_place(fallback)}: {error}")
    return _read_record(record, fallback, corpus)


def _read_record(record: object, fallback: str, corpus: CorpusConfig) -> Document | Rejection:
    if not isinstance(record, dict):
        kind = type(record).__name__
        return _reject(corpus, fallback, "missing_field", f"a JSON object is wanted, not {kind}")
    given = record.get(corpus.id_field) if corpus.id_field else None
    document = record_id(given, fallback)
    place = "" if document == fallback else _place(fallback)
    if not isinstance(value := record.get(corpus.text_field), str):
        detail = _describe_missing(record, corpus.text_field)
        return at_place(_reject(corpus, document, "missing_field", detail), place)
    text = without_surrogates(value, corpus, document)
    if isinstance(text, Rejection):
        return at_place(text, place)
    return Document(source=corpus.name, document=document, text=text, place=place)


def _describe_missing(record: Table, text_field: str) -> str:
    """What is wrong with the text field, and the names of the other fields."""
    if record.get(text_field) is not None:
        return f"{text_field!r} is not text"
    others = [name[:_SHOWN_CHARACTERS] for name in record if name != text_field][:_SHOWN_FIELDS]
    has = f"; the record has {', '.join(map(repr, others))}" if others else ""
    return printable_name(f"{text_field!r} is missing{has}")


def _place(fallback: str) -> str:
    name, _, offset = fallback.rpartition("@")
    return f"{name}, line at byte {int(offset):,}"


def _reject(corpus: CorpusConfig, document: str, reason: Reason, detail: str) -> Rejection:
    return Rejection(source=corpus.name, document=document, reason=reason, detail=detail)
