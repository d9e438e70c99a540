"""A text file is one document."""

from __future__ import annotations

from pathlib import Path

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.text import read_text


def read(path: Path, max_document_bytes: int) -> list[Document | Rejection]:
    corpus = CorpusConfig(
        name="c", format="text", paths=("a.txt",), max_document_bytes=max_document_bytes
    )
    return list(read_text(FilePart(path=str(path), name="a.txt"), corpus))


def test_the_whole_file_is_the_text_and_its_name_the_id(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfOne.\r\nTwo.\n")
    assert read(path, 100) == [Document(source="c", document="a.txt", text="One.\r\nTwo.\n")]


def test_a_file_over_the_limit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 11)
    (found,) = read(path, 10)
    assert isinstance(found, Rejection)
    assert found.reason == "too_long"
    assert isinstance(read(path, 11)[0], Document)
