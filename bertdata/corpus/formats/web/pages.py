"""`wet` and `warc`: Common Crawl's texts and pages; the page's address is the id.

WET records (`conversion`) have text, one paragraph per line. From `response` and `resource` records
resiliparse extracts the main content, without navigation, asides and forms; it was chosen over
trafilatura because it needs no other packages. Requests, metadata and descriptions of the crawl are
not documents; revisits are duplicates.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from bertdata.corpus.compression import is_compressed, read_blocks, read_range
from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import (
    Document,
    Reason,
    Rejection,
    printable_name,
    replace_surrogates,
)
from bertdata.corpus.formats.decoding import decode
from bertdata.corpus.formats.web.http_responses import parse_content_type, parse_response
from bertdata.corpus.formats.web.page_costs import find_excess, is_deep
from bertdata.corpus.formats.web.warc_records import MAX_RECORD_BYTES, Record, iter_records
from bertdata.corpus.packed.signatures import name_archive, name_binary
from bertdata.errors import ConfigError
from bertdata.printable import printable
from bertdata.storage.locations import Location, locate

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

_TEXT_RECORDS = frozenset(("conversion",))
_PAGE_RECORDS = frozenset(("response", "resource", "revisit"))
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_GZIP_MAGIC = b"\x1f\x8b\x08"


class _UnusableError(Exception):
    """Why a record is not a document; never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def read_wet(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The texts of a range of a WET file. Raises InputError."""
    return _read_records(part, corpus, _TEXT_RECORDS, _read_conversion)


def read_warc(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The pages of a range of a WARC file. Raises InputError, ConfigError without resiliparse."""
    _load_extractor()
    return _read_records(part, corpus, _PAGE_RECORDS, _read_page)


def find_member(path: Location, position: int) -> int | None:
    """The start of the first gzip member at byte `position` or later with a record, or None.

    Crawlers write each record as its own member.
    """
    overlap = len(_GZIP_MAGIC) - 1
    waiting, start = b"", position
    for block in read_range(path, position, None):
        waiting += block
        index = waiting.find(_GZIP_MAGIC)
        while index >= 0:
            if _begins_with_record(path, start + index):
                return start + index
            index = waiting.find(_GZIP_MAGIC, index + 1)
        start += len(waiting) - len(waiting[-overlap:])
        waiting = waiting[-overlap:]
    return None


def _extract_main_content(html: str) -> str:
    """The prose of a page, a blank line between blocks. Raises ConfigError without resiliparse."""
    parse, extract = _load_extractor()
    if excess := find_excess(html):
        raise _UnusableError("too_complex", excess)
    tree = parse(html)
    if is_deep(tree, html):
        raise _UnusableError("too_complex", "elements inside too many others")
    text = extract(
        tree, main_content=True, alt_texts=False, list_bullets=False, preserve_formatting=True
    )
    return _lines_to_paragraphs(text)


@cache
def _load_extractor() -> tuple[Callable[[str], HTMLTree], Callable[..., str]]:
    """The functions from a page to its tree, and from that to its prose."""
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.html import HTMLTree
    except ImportError as error:
        raise ConfigError(
            "format 'warc' needs the package resiliparse: pip install 'bertdata[web]'"
        ) from error
    return HTMLTree.parse, extract_plain_text


def _begins_with_record(path: Location, start: int) -> bool:
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    with contextlib.closing(read_range(path, start, None, 4096)) as blocks:
        try:
            return decompressor.decompress(next(blocks, b""), 5) == b"WARC/"
        except zlib.error:
            return False


def _read_records(
    part: FilePart,
    corpus: CorpusConfig,
    kinds: frozenset[str],
    read: Callable[[Record, CorpusConfig, str], str],
) -> Iterator[Document | Rejection]:
    path = locate(part.path)
    blocks = read_blocks(path, part.start, part.stop, corpus.max_compression_ratio)
    in_member = part.start > 0 and is_compressed(path)
    name = f"{part.name}, member at byte {part.start:,}" if in_member else part.name
    for record in iter_records(blocks, kinds, name):
        if record.kind not in kinds:
            continue
        fallback = (
            f"{part.name}@{part.start}+{record.offset}"
            if in_member
            else (f"{part.name}@{record.offset}")
        )
        address = record.headers.get("warc-target-uri", "").strip("<>")
        document = printable_name(address) or fallback
        try:
            text = read(record, corpus, document)
        except _UnusableError as why:
            detail = f"{name}, record at byte {record.offset:,}: {printable(why.detail)}"
            yield Rejection(source=corpus.name, document=document, reason=why.reason, detail=detail)
        else:
            place = f"{name}, record at byte {record.offset:,}"
            yield Document(source=corpus.name, document=document, text=text, place=place)


def _read_conversion(record: Record, corpus: CorpusConfig, document: str) -> str:
    content_type, _ = parse_content_type(record.headers)
    if content_type not in ("text/plain", ""):
        raise _UnusableError("not_text", f"its content is {content_type}")
    text = decode(_content(record), corpus, document)
    if isinstance(text, Rejection):
        raise _UnusableError(text.reason, text.detail)
    return _lines_to_paragraphs(text)


def _read_page(record: Record, corpus: CorpusConfig, document: str) -> str:
    if record.kind == "revisit":
        raise _UnusableError("duplicate", "a revisit: the page was the same as before")
    content_type, charset = parse_content_type(record.headers)
    body = _content(record)
    if content_type == "application/http" or body.startswith(b"HTTP/"):
        try:
            response = parse_response(body, corpus.max_compression_ratio)
        except ValueError as error:
            raise _UnusableError("invalid_http", str(error)) from error
        if response.status != 200:
            raise _UnusableError("http_error", f"status {response.status}")
        content_type, charset, body = response.content_type, response.charset, response.body
    if kind := name_binary(body) or name_archive(body):
        raise _UnusableError("not_text", f"its content is {kind}")
    if content_type == "text/plain":
        return _lines_to_paragraphs(_decode_page(body, charset))
    if content_type not in _HTML_TYPES:
        raise _UnusableError("not_text", f"its content is {content_type or 'of no known type'}")
    text = _extract_main_content(_decode_page(body, charset))
    if not text:
        raise _UnusableError("empty", "no main content")
    return text


def _content(record: Record) -> bytes:
    if record.content is None:
        raise _UnusableError("too_long", f"longer than {MAX_RECORD_BYTES:,} bytes")
    return record.content


def _decode_page(body: bytes, charset: str) -> str:
    """Decode by the server's charset, the page's own, or its bytes; errors become U+FFFD."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    encoding = map_encoding_to_html5(charset, False) if charset else None
    encoding = encoding or detect_encoding(body, from_html_meta=True) or "utf-8"
    text: str = bytes_to_str(body, encoding, "replace", ("utf-8", "windows-1252"))
    return replace_surrogates(text)


def _lines_to_paragraphs(text: str) -> str:
    return "\n\n".join(line for line in map(str.strip, text.splitlines()) if line)
