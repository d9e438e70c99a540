"""The readers of all formats: from an `InputUnit` to `Document`s and `Rejection`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bertdata.corpus.config import (
    GONE,
    CorpusConfig,
    FilePart,
    InputUnit,
    check_unchanged,
    skippable,
    unreadable_file,
    version_of,
)
from bertdata.corpus.documents import Document, Rejection, unless_empty
from bertdata.corpus.formats.demo import read_demo
from bertdata.corpus.formats.jsonl import read_jsonl
from bertdata.corpus.formats.lines import read_lines
from bertdata.corpus.formats.tables import read_arrow, read_parquet
from bertdata.corpus.formats.text import read_text
from bertdata.corpus.formats.web.pages import read_warc, read_wet
from bertdata.corpus.formats.wikipedia.articles import read_wikipedia
from bertdata.corpus.packed.packed_files import check_no_archive
from bertdata.errors import InputError
from bertdata.storage.locations import locate

__all__ = ["read_unit"]

_READERS: dict[str, Callable[[FilePart, CorpusConfig], Iterator[Document | Rejection]]] = {
    "text": read_text,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "wikipedia-xml": read_wikipedia,
    "wet": read_wet,
    "warc": read_warc,
    "demo": read_demo,
}


_ONE_KIND_FORMATS = ("wikipedia-xml", "wet", "warc", "parquet", "arrow")


def read_unit(unit: InputUnit) -> Iterator[Document | Rejection]:
    """Each document of a unit, in order, or its rejection; one in memory at a time.

    A file that cannot be read, is damaged or lacks the text column raises InputError. With
    on_bad_file = "skip" the documents before the damage are kept, and one Rejection
    (unreadable_file) replaces the rest. A file that changed since it was planned raises InputError,
    whatever on_bad_file is, at latest after its last document.
    """
    for part in unit.parts:
        yield from _read_part(part, unit.corpus)


def _read_part(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    try:
        if corpus.format in _ONE_KIND_FORMATS and not part.start:
            check_no_archive(locate(part.path), corpus)
        for item in _READERS[corpus.format](part, corpus):
            yield unless_empty(item) if isinstance(item, Document) else item
    except InputError as error:
        if (version := version_of(locate(part.path))) != GONE:
            check_unchanged(part, version)  # a change would explain the error
        if corpus.on_bad_file == "stop":
            raise skippable(error) from error
        yield unreadable_file(corpus, part, error)
    else:
        check_unchanged(part, version_of(locate(part.path)))
