"""Small blocks of documents, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.sentences.blocks import first_order, make_block

Items = Sequence[Document | Rejection]


class BarSplitter:
    """Sentences end at bars: "a|b c" is two."""

    def split_all(self, texts: pa.StringArray) -> pa.ListArray:
        """As a splitter's own."""
        split = [[s for s in text.split("|") if s.strip()] for text in texts.to_pylist()]
        return pa.array(split, pa.list_(pa.string()))


def documents_of(texts: Sequence[str], source: str = "s") -> list[Document | Rejection]:
    """A document for each text, d0 and so on; a rejection where it is empty."""
    return [
        Document(source=source, document=f"d{number}", text=text, place=f"line {number}")
        if text.strip()
        else Rejection(source=source, document=f"d{number}", reason="empty", detail="-")
        for number, text in enumerate(texts)
    ]


def make_blocks(
    items: Items, layout: Layout, size: int, fingerprints: Fingerprints | None = None
) -> Iterator[pa.Table]:
    """The documents as blocks of `size`, each a unit of its own."""
    for unit, start in enumerate(range(0, len(items), size)):
        some = items[start : start + size]
        order, wanted = first_order(unit), fingerprints or Fingerprints()
        yield make_block(some, order, BarSplitter(), layout, wanted)


def rows_of_file(blocks: Sequence[pa.Table], number: int) -> list[pa.Table]:
    """Of each block, the rows that are for one file, if there are any."""
    found = [block.filter(pa.compute.equal(block["file"], number)) for block in blocks]
    return [table for table in found if len(table)]
