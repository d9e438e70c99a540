"""`lines`: the original BERT input, one sentence per line, blank lines between documents.

A document's id is `file name@byte offset of its first line`. White space inside a sentence becomes
single spaces, as in the original's tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator

from bertdata.corpus.compression import SEARCH_BYTES, read_range
from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.byte_lines import iter_lines, utf8_blocks
from bertdata.corpus.formats.decoding import decode, too_long
from bertdata.corpus.packed.packed_files import TextFile, read_files
from bertdata.storage.locations import Location


def read_lines(part: FilePart, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    """The documents of a range that starts and ends between documents. Raises InputError."""
    return read_files(part, corpus, _read_file)


def _read_file(file: TextFile, corpus: CorpusConfig) -> Iterator[Document | Rejection]:
    for name, sentences in _read_blocks_of_lines(file, corpus):
        bad = next((item for item in sentences if isinstance(item, Rejection)), None)
        if bad is not None:
            yield bad
            continue
        given = tuple(sentence for sentence in sentences if isinstance(sentence, str))
        yield Document(source=corpus.name, document=name, text="\n".join(given), sentences=given)


def find_document(path: Location, position: int) -> int | None:
    """The start of the first document that certainly begins at byte `position` or later; or None.

    It is a line with text after a blank line that itself starts at `position` or later.
    """
    lines = iter_lines(read_range(path, position - 1, None, SEARCH_BYTES), position - 1)
    next(lines, None)
    after_blank = False
    for offset, line in lines:
        if not _is_blank(line):
            if after_blank:
                return offset
        else:
            after_blank = True
    return None


def _read_blocks_of_lines(
    file: TextFile, corpus: CorpusConfig
) -> Iterator[tuple[str, list[str | Rejection]]]:
    """(document name, its sentences) of each block of lines that are not blank."""
    name, sentences, size = "", list[str | Rejection](), 0
    encoding, blocks = utf8_blocks(file, corpus)
    for offset, line in iter_lines(blocks, file.offset, corpus.max_document_bytes):
        text = decode(line, corpus, name or f"{file.name}@{offset}", offset, encoding)
        sentence = " ".join(text.split()) if isinstance(text, str) else text
        if sentence:
            name = name or f"{file.name}@{offset}"
            size += len(line)
            if size <= corpus.max_document_bytes:
                sentences.append(sentence)
            else:
                sentences = [too_long(corpus, name)]
        elif sentences:
            yield name, sentences
            name, sentences, size = "", [], 0
    if sentences:
        yield name, sentences


def _is_blank(line: bytes) -> bool:
    """Whether a line is blank in any encoding, with any limit of length: at most one byte."""
    return len(line) <= 1 and not line.strip()
