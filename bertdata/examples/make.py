"""Documents in, examples out: tokenization, pairing, masking and shuffling put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bertdata.arrays import AnyArray, Int64Array, UInt64Array, as_array, offsets_of
from bertdata.corpus.partitions import choose_validation
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.masking import MaskingVocabulary
from bertdata.examples.pairing import (
    JoinedExamples,
    Pairs,
    TokenizedDocuments,
    create_pairs,
    join_spans,
    reorder,
)
from bertdata.examples.static_masking import Predictions, mask_joined, no_predictions
from bertdata.randomness import derive_key, derive_keys, draw_array
from bertdata.reference.config import PairingConfig
from bertdata.storage.schema import examples_schema
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.vocabulary import Vocabulary

# Pieces of a block if all its rows are full. Smaller blocks compress less and need more calls; with
# larger ones a reader takes too long to decompress a window of 8 blocks before its first batch.
_BLOCK_PLACES = 1 << 17


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Tokenized documents with their ids."""

    tokenized: TokenizedDocuments
    ids: UInt64Array


def masking_vocabulary(vocabulary: Vocabulary) -> MaskingVocabulary:
    """What masking needs of a vocabulary."""
    return MaskingVocabulary(
        mask_id=vocabulary.special.mask,
        size=vocabulary.size,
        continuation=vocabulary.continuation,
    )


def select_split(table: pa.Table, split: str, fraction: float, seed: int) -> pa.Table:
    """Ids and sentences of the documents of a split: "train" or "validation"."""
    ids = as_array(table.column("document_id")).to_numpy()
    is_validation = choose_validation(ids, fraction, seed)
    return table.select(["document_id", "sentences"]).filter(
        pa.array(is_validation == (split == "validation"))
    )


def tokenize_documents(table: pa.Table, tokenizer: SentenceTokenizer) -> Documents:
    """Tokenize rows of `sentences/`; returns the documents in order of their ids.

    Sentences and documents without pieces are dropped.
    """
    sentences = as_array(table.column("sentences"))
    tokens = tokenizer.encode(sentences.flatten())
    sizes = np.diff(tokens.offsets)
    kept = sizes > 0
    # Number of kept sentences before each one: its offset once the empty ones are dropped.
    kept_before = offsets_of(kept)
    document_offsets = kept_before[offsets_of(np.asarray(sentences.value_lengths()))]
    has_pieces = np.diff(document_offsets) > 0
    tokenized = TokenizedDocuments(
        pieces=tokens.ids,
        sentence_offsets=offsets_of(sizes[kept]),
        document_offsets=np.append(document_offsets[:-1][has_pieces], kept_before[-1]),
    )
    ids = as_array(table.column("document_id")).to_numpy()[has_pieces]
    order = np.argsort(ids, kind="stable")
    return Documents(tokenized=reorder(tokenized, order), ids=ids[order])


def create_examples(
    documents: Documents, config: ExamplesConfig, vocabulary: Vocabulary, seed: int, passes: int
) -> pa.RecordBatch:
    """All examples of one pool: `passes` passes over its documents, shuffled.

    Equal row for row to `bertdata.reference` over the source keyed by (seed, pass, document id). If
    several documents have the same id, the keys of all but the first also contain their number.
    """
    pairs = pair_all_passes(documents, config.pairing_config, seed, passes)
    if not len(pairs.document):
        return pa.RecordBatch.from_pylist([], schema=examples_schema(vocabulary.size))
    order = shuffled(pairs.mask_key)
    pairs = Pairs._make(column[order] for column in pairs)
    special = vocabulary.special
    joined = join_spans(documents.tokenized.pieces, pairs, special.cls, special.sep)
    if config.masking == "static":
        pieces = masking_vocabulary(vocabulary)
        predictions = mask_joined(joined, pairs.mask_key, config.masking_config, pieces)
    else:
        predictions = no_predictions(joined)
    document_ids = documents.ids[pairs.document]
    return to_record_batch(joined, predictions, pairs, document_ids, vocabulary.size)


def pair_all_passes(documents: Documents, config: PairingConfig, seed: int, passes: int) -> Pairs:
    """The pairs of every pass, one pass after the other; `documents` in order of their ids."""
    copies = _count_before(documents.ids)
    parts = []
    for number in range(passes):
        keys = derive_keys(derive_key(seed, "pairs", number), documents.ids)
        keys = np.where(copies > 0, derive_keys(keys, copies), keys)
        parts.append(create_pairs(documents.tokenized, keys, config))
    return Pairs._make(np.concatenate(columns) for columns in zip(*parts))


def _count_before(ids: UInt64Array) -> Int64Array:
    """The number of equal ids before each; `ids` are in order: [5, 7, 7, 7] -> [0, 0, 1, 2].

    Documents with equal ids are copies of each other. Each needs random choices of its own, or the
    same example would occur once per copy.
    """
    places = np.arange(len(ids))
    is_first = np.ones(len(ids), dtype=np.bool_)
    is_first[1:] = ids[1:] != ids[:-1]
    return places - np.maximum.accumulate(np.where(is_first, places, 0))


def shuffled(keys: UInt64Array) -> Int64Array:
    """An order of the examples by a hash of their keys, which are random themselves."""
    return np.argsort(draw_array(keys, 0), kind="stable")


def cut_into_blocks(batch: pa.RecordBatch, max_seq_length: int) -> Iterator[pa.RecordBatch]:
    """The rows of a batch in blocks of some 300 KB; a reader reads a block at a time."""
    rows = max(1, _BLOCK_PLACES // max_seq_length)
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def to_record_batch(
    joined: JoinedExamples,
    predictions: Predictions,
    pairs: Pairs,
    document_ids: UInt64Array,
    vocabulary_size: int,
) -> pa.RecordBatch:
    """The columns of `examples/*.arrow`, without copying the pieces."""
    return pa.record_batch(
        [
            _list_array(joined.input_ids, joined.offsets),
            pa.array(joined.segment_b_start),
            _list_array(predictions.positions, predictions.offsets),
            _list_array(predictions.ids, predictions.offsets),
            pa.array(pairs.is_random_next),
            pa.array(document_ids),
        ],
        schema=examples_schema(vocabulary_size),
    )


def _list_array(values: AnyArray, offsets: Int64Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
