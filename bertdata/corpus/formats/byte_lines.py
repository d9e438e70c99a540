"""Lines of bytes with their offsets, from blocks of any size.

Offsets count uncompressed bytes from the start of the file, after conversion to UTF-8 if needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bertdata.corpus.config import CorpusConfig
from bertdata.corpus.formats.decoding import find_encoding, is_wide, to_utf8
from bertdata.corpus.packed.packed_files import TextFile


def utf8_blocks(file: TextFile, corpus: CorpusConfig) -> tuple[str, Iterator[bytes]]:
    """The encoding of a file's lines, and its blocks; UTF-16 and UTF-32 are converted to UTF-8.

    Raises InputError.
    """
    encoding = find_encoding(file.beginning, corpus)
    if is_wide(file.beginning, corpus):
        return "utf-8", to_utf8(file.blocks, encoding, corpus, file.name)
    return encoding, file.blocks


def iter_lines(
    blocks: Iterable[bytes], offset: int, max_bytes: int = 1 << 20
) -> Iterator[tuple[int, bytes]]:
    """(offset, line) for each line of the blocks, the first block starting at `offset`.

    A longer line than `max_bytes` is cut, but not below that: memory is bounded.

    iter_lines([b"a\\nb", b"c\\n"], 5) -> (5, b"a"), (7, b"bc")
    """
    pieces: list[bytes] = []
    held = length = 0  # bytes of the line in memory, and of the whole line so far
    for block in blocks:
        first, *rest = block.split(b"\n")
        if held <= max_bytes:
            pieces.append(first)
            held += len(first)
        length += len(first)
        for following in rest:
            yield offset, b"".join(pieces)
            offset += length + 1
            pieces, held, length = [following], len(following), len(following)
    if line := b"".join(pieces):
        yield offset, line
