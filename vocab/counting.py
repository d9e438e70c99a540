"""Sentences to word counts; word counts to one table.

A word is what BERT's normalizer and pre-tokenizer produce: split at white space and punctuation.
Parts that can be tokenized independently are counted first, and each distinct one is normalised
only once, because most of a text is repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import pre_tokenizers

from bertdata.arrays import Int32Array, UInt64Array
from bertdata.grouping import fill_groups
from bertdata.randomness import FACTOR_1, mix_array
from bertdata.tokens.tokenizer import TokenizationConfig, build_normalizer
from bertdata.tokens.word_parts import PartTable
from vocab.config import VocabConfig

COUNTS_SCHEMA = pa.schema([("word", pa.string()), ("count", pa.int64())])

_TABLES_AT_ONCE = 8
_HASHED_BYTES = 8  # of a word
_MAX_PARTS = 100_000  # counted before they are turned into words
_PLAIN_ASCII = "^[!-~]+$"


def count_words(batches: Iterable[pa.StringArray], config: VocabConfig) -> pa.Table:
    """Count the words of sentences: `word` string, `count` int64, as `merge_counts` orders them.

    `batches`: sentences; any text, no nulls.
    """
    parts = _count_parts(batches, config.tokenization)
    return merge_counts(_normalize(some, config.tokenization) for some in parts)


def add_up_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """`merge_counts`, some tables at a time: in memory are the distinct words, not all tables."""
    total = COUNTS_SCHEMA.empty_table()
    for some in fill_groups(tables, _TABLES_AT_ONCE, lambda table: 1):
        total = merge_counts([total, *some])
    return total


def assign_buckets(words: pa.ChunkedArray, num_buckets: int) -> Int32Array:
    """A bucket for each word, by its length and its first eight bytes."""
    parts = [_hash_beginnings(chunk) for chunk in words.chunks]
    hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    buckets: Int32Array = (hashes % np.uint64(num_buckets)).astype(np.int32)
    return buckets


def _hash_beginnings(words: pa.StringArray) -> UInt64Array:
    if not len(words):
        return np.zeros(0, np.uint64)
    _, offsets, data = words.buffers()
    ends = np.frombuffer(offsets, np.int32)[words.offset : words.offset + len(words) + 1]
    starts, lengths = ends[:-1], np.diff(ends)
    letters = np.frombuffer(data or b"\0", np.uint8)
    hashes = lengths.astype(np.uint64)
    for place in range(_HASHED_BYTES):
        found = letters[np.minimum(starts + place, len(letters) - 1)]
        found = np.where(lengths > place, found, 0).astype(np.uint64)
        hashes = mix_array(hashes * np.uint64(FACTOR_1) + found)
    return hashes


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up word counts: most frequent first, ties by the word's UTF-8 bytes.

    The result is the same for any order and grouping of the parts.
    """
    merged = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    summed = merged.group_by("word", use_threads=False).aggregate([("count", "sum")])
    return join_counts([summed.rename_columns(COUNTS_SCHEMA.names)])


def join_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """`merge_counts` of tables that have no word in common: nothing is to be added up."""
    joined = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    # Arrow compares strings by their bytes.
    return joined.sort_by([("count", "descending"), ("word", "ascending")])


def _count_parts(
    batches: Iterable[pa.StringArray], config: TokenizationConfig
) -> Iterator[pa.Table]:
    """Distinct parts and their counts; with very many parts, some occur more than once."""
    parts, counts = PartTable(config, _MAX_PARTS), np.zeros(0, dtype=np.int64)
    for sentences in batches:
        if parts.table.is_full:
            yield pa.table([parts.table.keys_from(0), counts], schema=COUNTS_SCHEMA)
            parts, counts = PartTable(config, _MAX_PARTS), counts[:0]
        rows, _ = parts.find_rows(sentences)
        found = np.bincount(rows, minlength=parts.table.num_rows)
        found[: len(counts)] += counts
        counts = found
        pa.default_memory_pool().release_unused()  # otherwise memory grows over several batches
    yield pa.table([parts.table.keys_from(0), counts], schema=COUNTS_SCHEMA)


def _normalize(parts: pa.Table, config: TokenizationConfig) -> pa.Table:
    """Counted parts to counted words; some words occur more than once."""
    plain = pc.match_substring_regex(parts["word"], _PLAIN_ASCII)
    ascii_words, other = parts.filter(plain), parts.filter(pc.invert(plain))
    words = _words_of(other["word"], config)
    counts = other["count"].take(pc.list_parent_indices(words))
    others = pa.table([words.flatten(), counts], schema=COUNTS_SCHEMA)
    return pa.concat_tables([ascii_words, others])


def _words_of(parts: pa.ChunkedArray, config: TokenizationConfig) -> pa.ListArray:
    """The words of each string, by `tokenizers`: exact for any text, but slow."""
    normalize = build_normalizer(config).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = [[word for word, _ in split(normalize(part))] for part in parts.to_pylist()]
    return pa.array(words, type=pa.list_(pa.string()))
