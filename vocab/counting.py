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

from bertdata.tokens.tokenizer import TokenizationConfig, build_normalizer
from bertdata.tokens.word_parts import PartTable
from vocab.config import VocabConfig

COUNTS_SCHEMA = pa.schema([("word", pa.string()), ("count", pa.int64())])

_MAX_PARTS = 100_000  # counted before they are turned into words
_PLAIN_ASCII = "^[!-~]+$"


def count_words(batches: Iterable[pa.StringArray], config: VocabConfig) -> pa.Table:
    """Count the words of sentences: `word` string, `count` int64, as `merge_counts` orders them.

    `batches`: sentences; any text, no nulls.
    """
    parts = _count_parts(batches, config.tokenization)
    return merge_counts(_normalize(some, config.tokenization) for some in parts)


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up word counts: most frequent first, ties by the word's UTF-8 bytes.

    The result is the same for any order and grouping of the parts.
    """
    merged = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    summed = merged.group_by("word", use_threads=False).aggregate([("count", "sum")])
    # Arrow compares strings by their bytes.
    ordered = summed.sort_by([("count_sum", "descending"), ("word", "ascending")])
    return ordered.rename_columns(COUNTS_SCHEMA.names)


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
