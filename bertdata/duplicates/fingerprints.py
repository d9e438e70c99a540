"""Fingerprints of documents, by which similar ones and repeated sentences are found.

Two documents are equal if the characters of their sentences are equal. White space between
sentences and the amount of it between words do not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bertdata.arrays import UInt32Array
from bertdata.corpus.documents import Document, Rejection
from bertdata.duplicates.minhash import NUM_PLACES, make_signature

_MIN_SENTENCE_BYTES = 40  # shorter sentences repeat by chance

_SIGNATURE = pa.field("signature", pa.list_(pa.uint32(), NUM_PLACES))
_SENTENCE_HASHES = pa.field("sentence_hashes", pa.list_(pa.uint64()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprints:
    """Which columns of fingerprints the rows of documents get, besides the hash of their text.

    `similar`: a signature for similar documents, at a tenth of a second per megabyte of text.
    `sentences`: hashes of their sentences.
    """

    similar: bool = False
    sentences: bool = False

    @property
    def fields(self) -> list[pa.Field]:
        """The columns' names and types."""
        return [_SIGNATURE] * self.similar + [_SENTENCE_HASHES] * self.sentences

    def columns(
        self, items: Sequence[Document | Rejection], sentences: pa.ListArray
    ) -> list[pa.Array]:
        """The columns for these documents; zeros and nothing for rejected ones."""
        similar = [_signatures(items)] if self.similar else []
        return [*similar, _hash_sentences(sentences)] if self.sentences else similar


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


def _signatures(items: Sequence[Document | Rejection]) -> pa.FixedSizeListArray:
    signatures: UInt32Array = np.zeros((len(items), NUM_PLACES), dtype=np.uint32)
    for row, item in enumerate(items):
        if isinstance(item, Document):
            signatures[row] = make_signature(item.text)
    return pa.FixedSizeListArray.from_arrays(pa.array(signatures.reshape(-1)), NUM_PLACES)
