"""`demo`: the built-in corpus; an article's id is its title, a book's its file name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.demo import ARTICLES_NAME, read_articles, read_book
from bertdata.corpus.documents import Document, Rejection


def read_demo(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The articles of a range, or a book. Raises InputError."""
    path = Path(part.path)
    if part.name == ARTICLES_NAME:
        documents = read_articles(path)[part.start : part.stop]
    else:
        documents = [(part.name, read_book(path))]
    for name, text in documents:
        yield Document(source=corpus.name, document=name, text=text)
