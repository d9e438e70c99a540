"""Duplicates among all documents of a run: the first of equal or similar documents is kept.

The first is the first in the input: by corpus, file name and place in the file, whichever worker
reads it. Each function looks at rows that may have something in common, such as those whose hashes
are in one bucket, and returns rows of DROPPED; so that no process has to hold them all.

A document is dropped as similar if it is similar enough to an earlier one that it was compared
with, whether or not that one is kept. So no two kept documents were found to be similar.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import (
    AnyArray,
    BoolArray,
    Int64Array,
    UInt32Array,
    UInt64Array,
    as_array,
)
from bertdata.corpus.documents import Reason
from bertdata.duplicates.minhash import NUM_PLACES, estimate_similarity, make_band_keys
from bertdata.randomness import mix_array

# What is dropped. `order`, `file`: of the document; `sentence`: which one of it, or -1 for all of
# it; `reason`, `detail`: why, if the whole document is dropped.
DROPPED = pa.schema(
    [
        pa.field("order", pa.int64()),
        pa.field("file", pa.int32()),
        pa.field("sentence", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
    ]
)
_PAIRS_AT_ONCE = 1 << 14
_ALL_REPEATED: tuple[Reason, str] = ("duplicate", "all its sentences stood before")


def find_equal(documents: pa.Table) -> pa.Table:
    """All but the first of equal documents.

    `documents`: order, file, document_id, hash_high, hash_low.
    """
    order, high, low = _columns(documents, "order", "hash_high", "hash_low")
    at = np.lexsort((order, low, high))
    is_again = _is_repeat(high[at]) & _is_repeat(low[at])
    first = np.maximum.accumulate(np.where(is_again, 0, np.arange(len(at))))
    later, kept = at[is_again], at[first[is_again]]
    ids = documents["document_id"].take(pa.array(kept))
    return _drop(documents.take(pa.array(later)), "duplicate", "the same text as", ids)


def list_bands(documents: pa.Table) -> pa.Table:
    """Keys by which similar documents meet: key, order; NUM_BANDS rows a document.

    `documents`: order, signature.
    """
    keys = make_band_keys(_signatures(documents))
    num_bands = keys.shape[1]
    bands = np.arange(num_bands, dtype=np.uint64)
    keys = mix_array(np.add(keys, bands, dtype=np.uint64))  # bands do not meet each other
    order = np.repeat(documents["order"].to_numpy(), num_bands)
    return pa.table({"key": keys.reshape(-1), "order": order})


def find_candidates(bands: pa.Table) -> pa.Table:
    """Pairs of documents to compare: earlier, later.

    Each document is compared with the first and with the previous one of every key that it has.
    """
    key, order = _columns(bands, "key", "order")
    at = np.lexsort((order, key))
    order = order[at]
    is_met = _is_repeat(key[at])
    first = np.maximum.accumulate(np.where(is_met, 0, np.arange(len(at))))
    later = np.flatnonzero(is_met)
    pairs = np.concatenate(
        [
            np.stack([order[first[later]], order[later]], axis=1),
            np.stack([order[later - 1], order[later]], axis=1),
        ]
    )
    return _pair_table(pairs)


def attach_earlier(pairs: pa.Table, documents: pa.Table) -> pa.Table:
    """Each pair once, with document_id and signature of its earlier document.

    `documents`: order, document_id, signature; with all the earlier documents of the pairs.
    """
    pairs = _pair_table(np.stack(_columns(pairs, "earlier", "later"), axis=1))
    rows = _find_rows(documents, pairs["earlier"].to_numpy())
    found = documents.select(["document_id", "signature"]).take(pa.array(rows))
    return pa.table({**_as_dict(pairs), **_as_dict(found)})


def find_similar(pairs: pa.Table, documents: pa.Table, similarity: float) -> pa.Table:
    """The later documents of pairs that are similar enough.

    `pairs`: from `attach_earlier`; `documents`: order, file, signature, with all later documents.
    """
    pairs = pairs.sort_by([("later", "ascending"), ("earlier", "ascending")])
    rows = _find_rows(documents, pairs["later"].to_numpy())
    similar = np.flatnonzero(_are_similar(pairs, documents, rows) >= similarity)
    _, first = np.unique(rows[similar], return_index=True)
    chosen = similar[first]
    ids = pairs["document_id"].take(pa.array(chosen))
    found = documents.take(pa.array(rows[chosen]))
    return _drop(found, "near_duplicate", "much the same text as", ids)


def list_sentences(documents: pa.Table, dropped: pa.Table) -> pa.Table:
    """The sentences of documents that are not dropped: hash, order, file, sentence.

    `documents`: order, file, sentence_hashes. Sentences without a hash, short ones, are left out.
    """
    kept = documents.filter(pc.invert(pc.is_in(documents["order"], as_array(dropped["order"]))))
    lists = as_array(kept["sentence_hashes"])
    lengths = np.asarray(lists.value_lengths())
    starts = np.cumsum(lengths) - lengths
    hashes = lists.flatten().to_numpy()
    table = pa.table(
        {
            "hash": hashes,
            "order": np.repeat(kept["order"].to_numpy(), lengths),
            "file": np.repeat(kept["file"].to_numpy(), lengths),
            "sentence": (np.arange(len(hashes)) - np.repeat(starts, lengths)).astype(np.int32),
        }
    )
    return table.filter(pa.array(hashes != 0))


def find_repeated(sentences: pa.Table) -> pa.Table:
    """All but the first of equal sentences, from `list_sentences`."""
    hashes, order, place = _columns(sentences, "hash", "order", "sentence")
    at = np.lexsort((place, order, hashes))
    again = sentences.take(pa.array(at[_is_repeat(hashes[at])]))
    why = (pa.array([text] * len(again), pa.string()) for text in _ALL_REPEATED)
    columns = [*map(as_array, (again["order"], again["file"], again["sentence"])), *why]
    return pa.Table.from_arrays(columns, schema=DROPPED)


def _drop(documents: pa.Table, reason: Reason, why: str, kept_ids: pa.ChunkedArray) -> pa.Table:
    """Rows of DROPPED for whole documents, which name the documents that stood before."""
    count = len(documents)
    columns = [
        as_array(documents["order"]),
        as_array(documents["file"]),
        pa.array(np.full(count, -1, np.int32)),
        pa.array([reason] * count, pa.string()),
        pa.array([f"{why} document_id {kept}" for kept in kept_ids.to_pylist()], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=DROPPED)


def _are_similar(pairs: pa.Table, documents: pa.Table, rows: Int64Array) -> AnyArray:
    """The similarity of each pair, some thousand at a time."""
    found = np.zeros(len(pairs))
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        earlier = _signatures(pairs.slice(start, _PAIRS_AT_ONCE))
        later = _signatures(documents.take(pa.array(rows[some])))
        found[some] = estimate_similarity(earlier, later)
    return found


def _find_rows(documents: pa.Table, orders: Int64Array) -> Int64Array:
    """The row of the document with each order."""
    (order,) = _columns(documents, "order")
    at = np.argsort(order)
    return np.asarray(at[np.searchsorted(order[at], orders)])


def _signatures(documents: pa.Table) -> UInt32Array:
    flat = as_array(documents["signature"]).flatten().to_numpy()
    return np.asarray(flat.reshape(-1, NUM_PLACES))


def _pair_table(pairs: Int64Array) -> pa.Table:
    pairs = np.unique(pairs, axis=0)
    earlier, later = np.ascontiguousarray(pairs.T)
    return pa.table({"earlier": earlier, "later": later})


def _is_repeat(ordered: UInt64Array) -> BoolArray:
    """Whether each value equals the one before it."""
    found = np.zeros(len(ordered), dtype=np.bool_)
    found[1:] = ordered[1:] == ordered[:-1]
    return found


def _columns(table: pa.Table, *names: str) -> tuple[AnyArray, ...]:
    return tuple(table[name].to_numpy() for name in names)


def _as_dict(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table[name] for name in table.column_names}
