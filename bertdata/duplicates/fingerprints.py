"""Fingerprints by which duplicates are found, stored beside each file of sentences meanwhile.

Two documents are equal if the characters of their sentences are equal. White space between
sentences and the amount of it between words do not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import UInt32Array
from bertdata.corpus.documents import Document
from bertdata.corpus.identity import DocumentHashes
from bertdata.duplicates.minhash import NUM_BANDS, NUM_PLACES, make_band_keys, make_signature
from bertdata.storage.schema import SENTENCES, fingerprints_schema
from bertdata.storage.shards import Shard, write_arrow

_MIN_SENTENCE_BYTES = 40  # shorter sentences repeat by chance


class FingerprintWriter:
    """Makes the fingerprints of one unit's documents and writes them in the order of its file.

    `similar`: also fingerprints for similar documents, at a tenth of a second per megabyte.
    `sentences`: also hashes of sentences.
    """

    def __init__(self, path: Path, similar: bool, sentences: bool) -> None:
        self._path = path
        self._similar = similar
        self._sentences = sentences
        self._schema = fingerprints_schema(NUM_BANDS if similar else 0, NUM_PLACES, sentences)
        self._both = pa.schema([*SENTENCES, *self._schema.remove(0)])
        self._batches: list[pa.RecordBatch] = []
        self._count = 0

    def extend(
        self, batch: pa.RecordBatch, documents: Sequence[Document], hashes: DocumentHashes
    ) -> pa.RecordBatch:
        """A batch of documents with their fingerprints as additional columns."""
        numbers = np.arange(self._count, self._count + len(documents), dtype=np.uint32)
        self._count += len(documents)
        columns = [
            pa.array(numbers),
            pa.array([document.place for document in documents], pa.string()),
            pa.array(hashes.names),
            pa.array(np.ascontiguousarray(hashes.texts[:, 0])),
            pa.array(np.ascontiguousarray(hashes.texts[:, 1])),
        ]
        if self._similar:
            columns += _similarity_columns(documents)
        if self._sentences:
            columns.append(_hash_sentences(batch.column("sentences")))
        return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=self._both)

    def split_off(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch as it was before `extend`; the additional columns are kept for `write`."""
        num_columns = len(SENTENCES)
        columns = [batch.column(0), *batch.columns[num_columns:]]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        return pa.RecordBatch.from_arrays(batch.columns[:num_columns], schema=SENTENCES)

    def write(self) -> Shard:
        """Write the columns split off so far as one batch: it is small and always read whole."""
        table = pa.Table.from_batches(self._batches, self._schema).combine_chunks()
        return write_arrow(self._path, self._schema, table.to_batches())


def _hash_sentences(lists: pa.ListArray) -> pa.ListArray:
    """8 bytes of BLAKE2b over each sentence, list<uint64>; 0 for sentences below 40 bytes."""
    sentences = lists.flatten().cast(pa.binary()).to_pylist()
    hashes = [
        int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        if len(text) >= _MIN_SENTENCE_BYTES
        else 0
        for text in sentences
    ]
    offsets = np.asarray(lists.offsets)
    return pa.ListArray.from_arrays(pa.array(offsets - offsets[0]), pa.array(hashes, pa.uint64()))


def _similarity_columns(documents: Sequence[Document]) -> list[pa.Array]:
    signatures: UInt32Array = np.zeros((len(documents), NUM_PLACES), dtype=np.uint32)
    for row, document in enumerate(documents):
        signatures[row] = make_signature(document.text)
    keys = make_band_keys(signatures)
    bands = [pa.array(np.ascontiguousarray(keys[:, band])) for band in range(NUM_BANDS)]
    flat = pa.array(signatures.reshape(-1))
    return [*bands, pa.FixedSizeListArray.from_arrays(flat, NUM_PLACES)]
