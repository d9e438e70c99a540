"""`text`: each file, also in an archive, is a document, and its name is the id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.decoding import decode_file
from bertdata.corpus.packed.packed_files import TextFile, read_files


def read_text(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The document of a text file, or of each file in an archive.

    Raises InputError when the file cannot be read completely.
    """
    return read_files(part, corpus, _read_file)


def _read_file(file: TextFile, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    data = _read_until(file.blocks, corpus.max_document_bytes)
    text = decode_file(data, corpus, file.name)
    if isinstance(text, Rejection):
        yield text
    else:
        yield Document(source=corpus.name, document=file.name, text=text)


def _read_until(blocks: Iterable[bytes], max_bytes: int) -> bytes:
    """All blocks, or the first ones that exceed the maximum size of a document."""
    taken, size = [], 0
    for block in blocks:
        taken.append(block)
        size += len(block)
        if size > max_bytes:
            break
    return b"".join(taken)
