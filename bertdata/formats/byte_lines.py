"""Lines of bytes with their offsets, from blocks of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bertdata.compression import read_blocks
from bertdata.corpus import CorpusConfig, FilePart
from bertdata.formats.decoding import find_encoding, to_utf8


def read_part_lines(
    part: FilePart, corpus: CorpusConfig
) -> tuple[str, Iterator[tuple[int, bytes]]]:
    """The encoding of the part's lines, and (offset, line) of each; a line has no `\\n` at its end.

    Offsets and ranges count uncompressed bytes from the file's start, as UTF-8 where the file is
    in UTF-16 or UTF-32. Raises InputError.
    """
    path = Path(part.path)
    beginning = next(iter(read_blocks(path)), b"")
    encoding = find_encoding(beginning, corpus)
    blocks = read_blocks(path, part.start, part.stop, corpus.max_compression_ratio)
    if encoding.startswith(("utf-16", "utf-32")):
        encoding, blocks = "utf-8", to_utf8(blocks, encoding, corpus, part.path)
    return encoding, iter_lines(blocks, part.start, corpus.max_document_bytes)


def iter_lines(
    blocks: Iterable[bytes], offset: int, most: int = 1 << 20
) -> Iterator[tuple[int, bytes]]:
    """(offset, line) for each line of the blocks, the first block starting at `offset`.

    A line of more than `most` bytes comes cut, to more than that: memory stays bounded.

    iter_lines([b"a\\nb", b"c\\n"], 5) -> (5, b"a"), (7, b"bc")
    """
    pieces: list[bytes] = []
    held = length = 0  # bytes of the line in memory, and of the whole line so far
    for block in blocks:
        first, *rest = block.split(b"\n")
        if held <= most:
            pieces.append(first)
            held += len(first)
        length += len(first)
        for following in rest:
            yield offset, b"".join(pieces)
            offset += length + 1
            pieces, held, length = [following], len(following), len(following)
    if line := b"".join(pieces):
        yield offset, line
