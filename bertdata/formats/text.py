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
    text = decode_file(b"".join(read_blocks(Path(part.path))), corpus, part.name)
    if isinstance(text, Rejection):
        yield text
    else:
        yield Document(source=corpus.name, document=part.name, text=text)
