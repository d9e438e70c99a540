"""Blocks of documents on their way from the input to the files of `sentences/`.

A block is a table with a row per document of a stretch of the input, in order; also for documents
that are rejected, whose `reason` says why.

`order`: the document's place in the whole input, from the plan alone; `file`: the file of
`sentences/` that its row is for; `document_id`: 0 if rejected; `place`: readable position in the
input; `reason`, `detail`: "" if kept; `lines_dropped`: by cleaning; `name_hash`, `hash_high`,
`hash_low`: of corpus and id, of the text; `signature`: for similar documents; `sentence_hashes`:
for repeated sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int64Array, UInt64Array
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.identity import DocumentHashes, hash_documents
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.grouping import fill_groups

_SPLIT_CHARACTERS = 1 << 20  # a splitter is fastest with about a megabyte at a time
_UNIT_BITS = 32  # of an order, for the place in a unit

_FIELDS = [
    pa.field("order", pa.int64()),
    pa.field("file", pa.int32()),
    pa.field("document_id", pa.uint64()),
    pa.field("source", pa.string()),
    pa.field("document", pa.string()),
    pa.field("sentences", pa.list_(pa.string())),
    pa.field("place", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("detail", pa.string()),
    pa.field("lines_dropped", pa.int32()),
    pa.field("name_hash", pa.uint64()),
    pa.field("hash_high", pa.uint64()),
    pa.field("hash_low", pa.uint64()),
]


class _Splitter(Protocol):
    def split_all(self, texts: pa.StringArray) -> pa.ListArray: ...


def blocks_schema(fingerprints: Fingerprints) -> pa.Schema:
    """The columns of a block, with those by which duplicates are found."""
    return pa.schema([*_FIELDS, *fingerprints.fields])


def first_order(unit: int, place: int = 0) -> int:
    """The order of the document at a place of a unit; every unit comes after all before it."""
    return (unit << _UNIT_BITS) | place


def make_block(
    items: Sequence[Document | Rejection],
    order: int,
    splitter: _Splitter,
    layout: Layout,
    fingerprints: Fingerprints,
) -> pa.Table:
    """Split the documents of a block and make its table. `order`: of its first document."""
    orders = iter(range(order, order + len(items)))
    parts = [
        _make_part(part, np.array([next(orders) for _ in part]), splitter, layout, fingerprints)
        for part in fill_groups(items, _SPLIT_CHARACTERS, _characters)
    ]
    return pa.Table.from_batches(parts, blocks_schema(fingerprints))


def _characters(item: Document | Rejection) -> int:
    return len(item.text) if isinstance(item, Document) else 0


def _make_part(
    items: Sequence[Document | Rejection],
    orders: Int64Array,
    splitter: _Splitter,
    layout: Layout,
    fingerprints: Fingerprints,
) -> pa.RecordBatch:
    sentences = _split(items, splitter)
    hashes = hash_documents(((item.source, item.document) for item in items), sentences)
    kept = np.array([isinstance(item, Document) for item in items])
    document_ids = np.where(kept, hashes.document_ids(), np.uint64(0))
    columns = [
        pa.array(orders),
        pa.array(_files_of(document_ids, kept, orders, layout).astype(np.int32)),
        pa.array(document_ids),
        *_texts(items, ("source", "document")),
        sentences,
        *_texts(items, ("place", "reason", "detail")),
        pa.array([getattr(item, "lines_dropped", 0) for item in items], pa.int32()),
        *_hash_columns(hashes),
        *fingerprints.columns(items, sentences),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=blocks_schema(fingerprints))


def _split(items: Sequence[Document | Rejection], splitter: _Splitter) -> pa.ListArray:
    """The sentences of each document; none of a rejected one."""
    given = [item.sentences if isinstance(item, Document) else () for item in items]
    if any(sentences is None for sentences in given):
        texts = [item.text if isinstance(item, Document) else "" for item in items]
        return splitter.split_all(pa.array(texts, pa.string()))
    return pa.array(given, pa.list_(pa.string()))


def _files_of(
    document_ids: UInt64Array, kept: np.ndarray, orders: Int64Array, layout: Layout
) -> Int64Array:
    """The file of each row: by the partition of a document, by the order of a rejection."""
    files = layout.files_of(layout.partitions_of(document_ids))
    return np.where(kept, files, (orders >> _UNIT_BITS) % layout.num_files)


def _texts(items: Sequence[Document | Rejection], names: Sequence[str]) -> Iterator[pa.Array]:
    for name in names:
        yield pa.array([getattr(item, name, "") for item in items], pa.string())


def _hash_columns(hashes: DocumentHashes) -> Iterator[pa.Array]:
    yield pa.array(hashes.names)
    for half in (0, 1):
        yield pa.array(np.ascontiguousarray(hashes.texts[:, half]))
