"""`wikipedia-xml`: a MediaWiki dump; each article is a document, and its title the id.

Dumps of any wiki and language, as `.xml` or compressed, in one stream or many. Redirects, pages of
namespaces other than 0 and pages without prose are rejected, so that every page is counted. If a
page has several revisions, the last one is read. A dump that ends inside a page is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from xml.etree import ElementTree

from bertdata.corpus.compression import is_compressed, read_blocks
from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Reason, Rejection, printable_name
from bertdata.corpus.formats.decoding import decode, find_encoding, to_utf8
from bertdata.corpus.formats.wikipedia.pages import RawPage, iter_pages, read_head
from bertdata.corpus.formats.wikipedia.wikitext import clean_wikitext, make_namespaces
from bertdata.errors import InputError
from bertdata.storage.locations import Location, locate

_Cleaner = Callable[[str], str]

_ROOT = b"<mediawiki"
_LANGUAGE = re.compile(r'<mediawiki\b[^<>]*\sxml:lang="([^"<>]*)"')
_NAMESPACE = re.compile(r'<namespace key="(-?\d+)"[^<>]*>([^<>]*)</namespace>')
# Dumps from before 2010 have no <redirect/>, only this, in English on every wiki.
_REDIRECT = re.compile(r"\s*#\s*redirect\b", re.IGNORECASE)


def read_wikipedia(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The articles of a range that starts and ends between pages. Raises InputError."""
    path = locate(part.path)
    head = read_head(_read_utf8(path, 0, None, corpus))
    if _ROOT not in head:
        raise InputError(f"{part.path} is not a MediaWiki dump: it does not begin with <mediawiki>")
    clean = _make_cleaner(head)
    # In a compressed file the range is in compressed bytes; pages are counted from its start.
    offset = 0 if is_compressed(path) else part.start
    blocks = _read_utf8(path, part.start, part.stop, corpus)
    for page in iter_pages(blocks, offset, has_head=part.start == 0):
        yield _read_page(page, part, corpus, clean)


def _read_utf8(
    path: Location, start: int, stop: int | None, corpus: CorpusConfig
) -> Iterator[bytes]:
    """The blocks of a dump as UTF-8, also if its byte order mark says UTF-16 or UTF-32."""
    encoding = find_encoding(next(read_blocks(path), b""), corpus)
    blocks = read_blocks(path, start, stop, corpus.max_compression_ratio)
    return blocks if encoding == "utf-8" else to_utf8(blocks, encoding, corpus, str(path))


def _make_cleaner(head: bytes) -> _Cleaner:
    """The function from wikitext to prose, with the namespaces and language in a dump's head."""
    text = head.decode("utf-8", "replace")
    namespaces = make_namespaces((int(key), name) for key, name in _NAMESPACE.findall(text))
    language = _LANGUAGE.search(text)
    return partial(
        clean_wikitext, namespaces=namespaces, language=language[1] if language else None
    )


def _read_page(
    page: RawPage, part: FilePart, corpus: CorpusConfig, clean: _Cleaner
) -> Document | Rejection:
    in_stream = part.start > 0 and is_compressed(locate(part.path))
    name = f"{part.name}@{part.start}+{page.offset}" if in_stream else f"{part.name}@{page.offset}"
    stream = f", stream at byte {part.start:,}" if in_stream else ""
    place = f"{part.name}{stream}, page at byte {page.offset:,}"
    if page.problem:
        return _reject(corpus, name, "invalid_xml", f"{place}: {page.problem}")
    text = decode(page.data, corpus, name, page.offset)
    if isinstance(text, Rejection):
        return text
    try:
        element = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return _reject(corpus, name, "invalid_xml", f"{place}: {error}")
    return _read_element(element, place, name, corpus, clean)


def _read_element(
    page: ElementTree.Element, place: str, name: str, corpus: CorpusConfig, clean: _Cleaner
) -> Document | Rejection:
    name = printable_name((page.findtext("title") or "").strip()) or name
    if (number := page.findtext("ns") or "0") != "0":
        return _reject(corpus, name, "other_namespace", f"{place}: namespace {number}")
    revisions = page.findall("revision")
    wikitext = (revisions[-1].findtext("text") or "") if revisions else ""
    if page.find("redirect") is not None or _REDIRECT.match(wikitext):
        return _reject(corpus, name, "redirect", place)
    model = (revisions[-1].findtext("model") or "wikitext") if revisions else "wikitext"
    if model != "wikitext":
        return _reject(corpus, name, "not_text", f"{place}: its content is {model}")
    prose = clean(wikitext)
    if not prose:
        return _reject(corpus, name, "empty", f"{place}: no prose")
    return Document(source=corpus.name, document=name, text=prose, place=place)


def _reject(corpus: CorpusConfig, document: str, reason: Reason, detail: str) -> Rejection:
    return Rejection(source=corpus.name, document=document, reason=reason, detail=detail)
