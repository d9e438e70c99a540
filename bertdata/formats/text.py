"""`text`: a file is a document; its name is the id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bertdata.compression import read_blocks
from bertdata.corpus import CorpusConfig, FilePart
from bertdata.documents import Document, Rejection
from bertdata.formats.decoding import decode_file


def read_text(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The one document of a text file. Raises InputError when the file cannot be read whole."""
    data = _read_until(Path(part.path), corpus.max_document_bytes)
    text = decode_file(data, corpus, part.name)
    if isinstance(text, Rejection):
        yield text
    else:
        yield Document(source=corpus.name, document=part.name, text=text)


def _read_until(path: Path, most: int) -> bytes:
    """The whole file, or its beginning of more than `most` bytes."""
    blocks, size = [], 0
    for block in read_blocks(path):
        blocks.append(block)
        size += len(block)
        if size > most:
            break
    return b"".join(blocks)
