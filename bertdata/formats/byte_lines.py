"""Lines of bytes with their offsets, from blocks of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bertdata.compression import read_blocks, read_range
from bertdata.corpus import FilePart


def read_part_lines(part: FilePart) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of the part's range of its file; a line has no `\\n` at its end.

    Offsets and ranges count uncompressed bytes from the file's start. Raises InputError.
    """
    path = Path(part.path)
    whole = part.start == 0 and part.stop is None
    blocks = read_blocks(path) if whole else read_range(path, part.start, part.stop)
    return iter_lines(blocks, part.start)


def iter_lines(blocks: Iterable[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line) for each line of the blocks, the first block starting at `offset`.

    iter_lines([b"a\\nb", b"c\\n"], 5) -> (5, b"a"), (7, b"bc")
    """
    pieces: list[bytes] = []
    for block in blocks:
        first, *rest = block.split(b"\n")
        pieces.append(first)
        for following in rest:
            line = b"".join(pieces)
            yield offset, line
            offset += len(line) + 1
            pieces = [following]
    if line := b"".join(pieces):
        yield offset, line
