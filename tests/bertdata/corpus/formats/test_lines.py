"""One sentence per line, blank lines between documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.lines import find_document, read_lines

TEXT = b"One.\nTwo  spaces.\n\n\nThree.\nFour."


def corpus(**settings: int) -> CorpusConfig:
    return CorpusConfig(name="c", format="lines", paths=("a",), **settings)  # type: ignore[arg-type]


def read(path: Path, config: CorpusConfig) -> list[Document | Rejection]:
    return list(read_lines(FilePart(path=str(path), name="a"), config))


def test_documents_are_named_by_the_offset_of_their_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    first, second = read(path, corpus())
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.document, first.sentences) == ("a@0", ("One.", "Two spaces."))
    assert (second.document, second.sentences) == ("a@20", ("Three.", "Four."))


def test_a_document_over_the_limit_is_rejected_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    first, second = read(path, corpus(max_document_bytes=12))
    assert isinstance(first, Rejection)
    assert (first.document, first.reason) == ("a@0", "too_long")
    assert isinstance(second, Document)


@pytest.mark.parametrize(("position", "found"), [(1, 20), (18, 20), (19, 20), (20, None)])
def test_a_range_begins_at_a_line_after_a_blank_one(
    position: int, found: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    assert find_document(path, position) == found
