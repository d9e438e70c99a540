"""Real text of any size, made from the demo corpus: the same bytes on every machine.

The demo corpus is 16.6 MB: the leads of 10,033 English Wikipedia articles, and 18 books, here in
parts of 60 paragraphs. It is read copy after copy, articles and parts of books in an order of
their own in each copy. The first copy is the text itself. In each later one
- a document takes every other paragraph from another document of its kind;
- 15% of the lower-case words of four letters and more are replaced by such words drawn from the
  whole corpus, so by their frequency;
- 80% of the distinct names (capitalised words that never occur in lower case) are put together
  again from halves of two names, the same way throughout the copy (so distinct words grow as fast
  with the text as they do within the demo corpus);
- half of the numbers get two other last digits.
So caches meet new sentences and new words all the time, while the frequencies of words, what
stands around full stops, lengths and layout stay those of real text.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.corpus.demo import demo_files, read_articles, read_book
from bertdata.randomness import derive_key, derive_keys, uniform_array

SEED = 2019
FILE_BYTES = 8 << 20
BOOK_PARAGRAPHS = 60
WORD_SHARE, NAME_SHARE, NUMBER_SHARE = 0.15, 0.8, 0.5

FloatArray = npt.NDArray[np.float64]
Paragraph = tuple[int, int]
T = TypeVar("T")
# Articles and parts of books, each as its paragraphs.
Kinds = tuple[list[list[T]], list[list[T]]]

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[\W_]+")
_BLANK_LINES = re.compile(r"\r?\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusFile:
    """A jsonl file, how many documents it has, and the UTF-8 bytes of their texts."""

    path: Path
    documents: int
    text_bytes: int


def write_corpus(folder: Path, text_bytes: int) -> list[CorpusFile]:
    """Write jsonl files of 8 MB of text, `text_bytes` in all (within a document)."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = _up_to(text_bytes, generate())
    return [
        _write_file(folder / f"text-{number:04d}.jsonl", documents)
        for number, documents in enumerate(_files_of(texts))
    ]


def take_files(files: Iterable[CorpusFile], text_bytes: int) -> list[CorpusFile]:
    """The first files with `text_bytes` in all, or a little more; all of them if there is less."""
    taken: list[CorpusFile] = []
    for file in files:
        if sum(one.text_bytes for one in taken) >= text_bytes:
            break
        taken.append(file)
    return taken


def read_texts(files: Iterable[CorpusFile], text_bytes: int) -> list[str]:
    """The first documents of the files, up to `text_bytes`."""
    lines = (line for file in files for line in file.path.read_bytes().splitlines())
    return list(_up_to(text_bytes, (json.loads(line)["text"] for line in lines)))


def generate() -> Iterator[str]:
    """The texts of documents, without end."""
    yield from map("\n\n".join, _order_documents(_read_documents(), 0))
    source = _read_source()  # only now: most corpora are small, and this takes seconds
    for copy in itertools.count(1):
        tokens = _vary(source, copy)
        for document in _order_documents(source.documents, copy):
            yield "\n\n".join("".join(tokens[start:end]) for start, end in document)


def count_repetition(sentences: pa.ChunkedArray) -> dict[str, float]:
    """Distinct words (as split at spaces), and the share of sentences that occurred before."""
    words = pc.list_flatten(pc.split_pattern(sentences, " "))
    return {
        "sentences": len(sentences),
        "distinct words": pc.count_distinct(words).as_py(),
        "share of sentences seen before": 1 - pc.count_distinct(sentences).as_py() / len(sentences),
    }


@dataclass(frozen=True)
class _Source:
    """The demo corpus as tokens (words, numbers, what is between) and ranges of them.

    `documents`: per kind, articles and parts of books, the paragraphs of each document.
    `words`, `names`, `numbers`: indexes of tokens; `name_ids`: which of `distinct_names` each is.
    """

    tokens: list[str]
    documents: Kinds[Paragraph]
    words: npt.NDArray[np.int64]
    names: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    name_ids: npt.NDArray[np.int64]
    distinct_names: list[str]


@cache
def _read_documents() -> Kinds[str]:
    articles_file, *book_files = demo_files()
    articles = [text.split("\n") for _, text in read_articles(articles_file)]
    books = [_BLANK_LINES.split(read_book(path)) for path in book_files]
    parts = [
        book[start : start + BOOK_PARAGRAPHS]
        for book in books
        for start in range(0, len(book), BOOK_PARAGRAPHS)
    ]
    return _filled(articles), _filled(parts)


def _filled(texts: list[list[str]]) -> list[list[str]]:
    return [list(filter(str.strip, paragraphs)) for paragraphs in texts]


@cache
def _read_source() -> _Source:
    tokens: list[str] = []
    articles, parts = (
        [_add_paragraphs(text, tokens) for text in kind] for kind in _read_documents()
    )
    return _classify(tokens, (articles, parts))


def _add_paragraphs(paragraphs: list[str], tokens: list[str]) -> list[Paragraph]:
    ranges = []
    for paragraph in paragraphs:
        start = len(tokens)
        tokens += _TOKEN.findall(paragraph)
        ranges.append((start, len(tokens)))
    return ranges


def _classify(tokens: list[str], documents: Kinds[Paragraph]) -> _Source:
    distinct = set(tokens)
    words = {t for t in distinct if len(t) >= 4 and t.isalpha() and t.islower()}
    names = sorted(t for t in distinct if len(t) >= 4 and t.istitle() and t.lower() not in distinct)
    numbers = {t for t in distinct if len(t) >= 2 and t.isdecimal()}
    kind_of = {token: n for n, kind in enumerate((words, names, numbers), 1) for token in kind}
    kinds = np.fromiter((kind_of.get(token, 0) for token in tokens), np.int8, len(tokens))
    word_places, name_places, number_places = (np.flatnonzero(kinds == n) for n in (1, 2, 3))
    ids = {name: number for number, name in enumerate(names)}
    return _Source(
        tokens,
        documents,
        word_places,
        name_places,
        number_places,
        np.array([ids[tokens[i]] for i in name_places.tolist()], dtype=np.int64),
        names,
    )


def _vary(source: _Source, copy: int) -> list[str]:
    """The tokens of a copy after the first."""
    tokens = source.tokens.copy()
    for place, other in _draw_pairs(source.words, WORD_SHARE, copy, "words"):
        tokens[place] = source.tokens[other]
    names = _vary_names(source.distinct_names, copy)
    for place, name in zip(source.names.tolist(), source.name_ids.tolist()):
        tokens[place] = names[name]
    for place, other in _draw_pairs(source.numbers, NUMBER_SHARE, copy, "numbers"):
        tokens[place] = source.tokens[place][:-2] + source.tokens[other][-2:]
    return tokens


def _vary_names(names: list[str], copy: int) -> list[str]:
    varied = names.copy()
    indexes = np.arange(len(names))
    for index, other in _draw_pairs(indexes, NAME_SHARE, copy, "names"):
        first, second = names[index], names[other]
        varied[index] = first[: len(first) // 2] + second[len(second) // 2 :]
    return varied


def _draw_pairs(
    items: npt.NDArray[np.int64], share: float, copy: int, purpose: str
) -> Iterator[tuple[int, int]]:
    """(item, another drawn from all) for a share of the items."""
    chosen = items[_uniforms(len(items), copy, purpose) < share]
    others = _uniforms(len(chosen), copy, f"other {purpose}") * len(items)
    return zip(chosen.tolist(), items[others.astype(np.int64)].tolist())


def _order_documents(documents: Kinds[T], copy: int) -> list[list[T]]:
    mixed = documents if copy == 0 else [_mix(kind, copy) for kind in documents]
    flat = [document for kind in mixed for document in kind]
    order = np.argsort(_uniforms(len(flat), copy, "order"), kind="stable")
    return [flat[i] for i in order]


def _mix(documents: list[list[T]], copy: int) -> list[list[T]]:
    """Each document with every other of its paragraphs from another document."""
    partners = np.argsort(_uniforms(len(documents), copy, "partners"), kind="stable")
    return [
        [documents[p][i] if i % 2 and i < len(documents[p]) else own for i, own in enumerate(doc)]
        for doc, p in zip(documents, partners.tolist())
    ]


def _uniforms(count: int, copy: int, purpose: str) -> FloatArray:
    keys = derive_keys(derive_key(SEED, purpose, copy), np.arange(count))
    return uniform_array(keys, 1)


def _up_to(text_bytes: int, texts: Iterable[str]) -> Iterator[str]:
    left = text_bytes
    for text in texts:
        if left <= 0:
            return
        left -= len(text.encode())
        yield text


def _files_of(texts: Iterable[str]) -> Iterator[list[str]]:
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text.encode())
        if size >= FILE_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _write_file(path: Path, texts: list[str]) -> CorpusFile:
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            record = {"id": f"{path.stem}-{number}", "text": text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    text_bytes = sum(len(text.encode()) for text in texts)
    return CorpusFile(path=path, documents=len(texts), text_bytes=text_bytes)
