"""Sentences to word counts; word counts to one table.

A word is what BERT's normalizer and pre-tokenizer leave between white space and around punctuation.
Distinct chunks are counted first and each is normalised once: most of a text is repetition.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import pre_tokenizers

from bertdata.tokenization import TokenizationConfig, build_normalizer, split_chunks
from vocab.config import VocabConfig

COUNTS_SCHEMA = pa.schema([("word", pa.string()), ("count", pa.int64())])

_PLAIN_ASCII = "^[!-~]+$"


def count_words(sentences: pa.StringArray, config: VocabConfig) -> pa.Table:
    """Count the words of sentences: `word` string, `count` int64, as `merge_counts` orders them.

    `sentences`: no nulls; any text.
    """
    chunks = _count_distinct(pc.split_pattern(sentences, " ").flatten())
    parts = split_chunks(chunks["word"], config.tokenization)
    words = _sum_counts(parts.flatten(), _repeat(chunks["count"], parts))
    return _order(_sum_counts(*_normalize(words, config.tokenization)))


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up word counts: most frequent first, ties by the word's UTF-8 bytes.

    The result is the same for any order and grouping of the parts.
    """
    merged = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    return _order(_sum_counts(merged["word"], merged["count"]))


def _count_distinct(strings: pa.StringArray) -> dict[str, pa.Array]:
    counted = strings.value_counts()
    return {"word": counted.field("values"), "count": counted.field("counts")}


def _repeat(counts: pa.Int64Array, lists: pa.ListArray) -> pa.Int64Array:
    """The count of each list, once for each of its elements."""
    return counts.take(pc.list_parent_indices(lists))


def _sum_counts(words: pa.StringArray, counts: pa.Int64Array) -> pa.Table:
    grouped = pa.table([words, counts], schema=COUNTS_SCHEMA).group_by("word", use_threads=False)
    return grouped.aggregate([("count", "sum")]).rename_columns(["word", "count"])


def _order(table: pa.Table) -> pa.Table:
    # Arrow compares strings by their bytes.
    return table.sort_by([("count", "descending"), ("word", "ascending")])


def _normalize(words: pa.Table, config: TokenizationConfig) -> tuple[pa.StringArray, pa.Int64Array]:
    """Parts of chunks and their counts to words and theirs, some words more than once."""
    plain = pc.match_substring_regex(words["word"], _PLAIN_ASCII)
    ascii_words, other = words.filter(plain), words.filter(pc.invert(plain))
    lowered = pc.ascii_lower(ascii_words["word"]) if config.lowercase else ascii_words["word"]
    lists = _words_of(other["word"], config)
    other_counts = _repeat(other["count"], lists)
    return (
        pa.concat_arrays([*lowered.chunks, lists.flatten()]),
        pa.concat_arrays([*ascii_words["count"].chunks, *other_counts.chunks]),
    )


def _words_of(parts: pa.ChunkedArray, config: TokenizationConfig) -> pa.ListArray:
    """The words of each string, asked of `tokenizers`: exact for any text, but slow."""
    normalize = build_normalizer(config).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = [[word for word, _ in split(normalize(part))] for part in parts.to_pylist()]
    return pa.array(words, type=pa.list_(pa.string()))
