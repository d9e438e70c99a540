"""The demo corpus: articles by title, books by file name."""

from __future__ import annotations

import json
from pathlib import Path

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.demo import ARTICLES_NAME
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.demo import read_demo

CORPUS = CorpusConfig(name="demo", format="demo")


def test_a_range_of_articles_is_named_by_their_titles(tmp_path: Path) -> None:
    path = tmp_path / ARTICLES_NAME
    articles = {title: {"extract": f"{title} is a letter."} for title in "ABCD"}
    path.write_text(json.dumps(articles))
    part = FilePart(path=str(path), name=ARTICLES_NAME, start=1, stop=3)
    assert list(read_demo(part, CORPUS)) == [
        Document(source="demo", document="B", text="B is a letter."),
        Document(source="demo", document="C", text="C is a letter."),
    ]


def test_a_book_is_one_document_in_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "chesterton.txt"
    path.write_bytes("Café and théâtre.".encode("latin-1"))
    part = FilePart(path=str(path), name="chesterton.txt")
    assert list(read_demo(part, CORPUS)) == [
        Document(source="demo", document="chesterton.txt", text="Café and théâtre.")
    ]
