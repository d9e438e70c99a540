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
    data = _read_until(Path(part.path), corpus)
    text = decode_file(data, corpus, part.name)
    if isinstance(text, Rejection):
        yield text
    else:
        yield Document(source=corpus.name, document=part.name, text=text)


def _read_until(path: Path, corpus: CorpusConfig) -> bytes:
    """The whole file, or its beginning of more bytes than a document may have."""
    blocks, size, most = [], 0, corpus.max_document_bytes
    for block in read_blocks(path, most_ratio=corpus.max_compression_ratio):
        blocks.append(block)
        size += len(block)
        if size > most:
            break
    return b"".join(blocks)
