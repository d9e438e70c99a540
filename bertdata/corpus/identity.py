"""The identity of documents: hashes of a document's name and of its text, and an id made of both.

The name is the corpus and the document's id in it. Such ids may repeat, in one file or in each
shard of a corpus; documents with different texts still get different `document_id`s, and so random
choices of their own. Documents with equal name and text share a `document_id`: they are exact
duplicates, and only `exact_duplicates = "keep"` keeps more than one of them. Then all of them are
in the same split, and the examples stage draws for each copy separately.

The text is what the stage stores: the characters of the sentences, after cleaning. It does not
depend on how the input is cut into units or which worker reads it, and the id can be recomputed
from a row of `sentences/`. (If `duplicate_sentences = "drop"` drops sentences, the id is that of
the text before.) White space between sentences does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bertdata.arrays import UInt64Array
from bertdata.randomness import derive_keys, stable_hash


class DocumentHashes(NamedTuple):
    """Hashes of documents. `names`: 64 bits each; `texts`: 128 bits each, as rows of two."""

    names: UInt64Array
    texts: UInt64Array

    def document_ids(self) -> UInt64Array:
        """An id of 64 bits for each document, from its name and its text."""
        return derive_keys(self.names, self.texts[:, 0])


def hash_documents(names: Iterable[tuple[str, str]], sentences: pa.ListArray) -> DocumentHashes:
    """Hash documents. `names`: (corpus, id in it) of each; `sentences`: list<string>, no nulls."""
    hashes = np.fromiter((stable_hash(*name) for name in names), np.uint64, len(sentences))
    texts = np.frombuffer(b"".join(_hash_texts(sentences)), dtype="<u8").reshape(-1, 2)
    return DocumentHashes(hashes, texts)


def hash_rows(batch: pa.RecordBatch) -> DocumentHashes:
    """Hash the documents of a batch of `sentences/`."""
    names = zip(batch.column("source").to_pylist(), batch.column("document").to_pylist())
    return hash_documents(names, batch.column("sentences"))


def count_repeated_ids(document_ids: UInt64Array, names: UInt64Array) -> int:
    """The number of documents whose id an earlier document of their corpus has with another text.

    `names`: the hashes of corpus and id of the same documents. Copies of a document count once.
    """
    return len(np.unique(document_ids)) - len(np.unique(names))


def _hash_texts(sentences: pa.ListArray) -> Iterator[bytes]:
    """16 bytes of BLAKE2b over the characters of each document's sentences."""
    texts = sentences.values
    if not len(sentences):
        return
    # Arrow may leave out the offsets of an array without elements.
    ends = (
        np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset :] if len(texts) else _NONE
    )
    bounds = ends[np.asarray(sentences.offsets)]
    data = memoryview(texts.buffers()[2] or b"")
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        yield hashlib.blake2b(data[start:stop], digest_size=16).digest()


_NONE = np.zeros(1, dtype=np.int32)
