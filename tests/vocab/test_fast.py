"""The quick trainer equals the reference, piece for piece and error for error."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.errors import VocabularyError
from bertdata.tokens.vocabulary import Vocabulary
from vocab import fast, wordpiece
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA, count_words

word_counts = st.dictionaries(
    st.one_of(
        st.text(alphabet="ab", max_size=14),
        st.text(alphabet="abcé中'", max_size=8),
        st.text(st.characters(exclude_characters="#", exclude_categories=["Cs", "Cc"]), max_size=5),
    ),
    st.one_of(st.integers(1, 4), st.integers(1, 2**50)),
    max_size=25,
)


def pieces_or_error(
    train: Callable[[pa.Table, VocabConfig], Vocabulary], counts: pa.Table, config: VocabConfig
) -> tuple[str, ...] | str:
    try:
        return train(counts, config).tokens
    except VocabularyError as error:
        return str(error)


@settings(max_examples=150, deadline=None)
@given(
    counts=word_counts,
    size=st.integers(6, 90),
    min_frequency=st.integers(1, 4),
    alphabet_limit=st.one_of(st.integers(1, 6), st.just(1000)),
    max_word_characters=st.sampled_from([1, 7, 100]),
)
def test_equals_the_reference(
    counts: dict[str, int],
    size: int,
    min_frequency: int,
    alphabet_limit: int,
    max_word_characters: int,
) -> None:
    table = pa.table([list(counts), list(counts.values())], schema=COUNTS_SCHEMA)
    config = VocabConfig(
        size=size,
        min_frequency=min_frequency,
        alphabet_limit=alphabet_limit,
        max_word_characters=max_word_characters,
    )
    expected = pieces_or_error(wordpiece.train, table, config)
    assert pieces_or_error(fast.train, table, config) == expected


@pytest.mark.parametrize("language", ["en", "de", "tr", "ko", "zh", "th"])
@pytest.mark.parametrize("lowercase", [True, False])
def test_equals_the_reference_on_real_words(
    shared_data: Path, language: str, lowercase: bool
) -> None:
    with gzip.open(shared_data / "parallel-pud" / f"{language}.jsonl.gz", "rt", "utf-8") as lines:
        sentences = pa.array([text for line in lines for text in json.loads(line)["sents"]])
    counts = count_words([sentences], VocabConfig(lowercase=lowercase)).slice(0, 1000)
    num_merged = 10 if language == "zh" else 40  # most Chinese words are one character
    config = VocabConfig(size=_size_of_alphabet(counts) + num_merged, min_frequency=1)
    assert fast.train(counts, config).tokens == wordpiece.train(counts, config).tokens


def test_order_of_the_counts_does_not_matter(shared_data: Path) -> None:
    with gzip.open(shared_data / "wiki-vital" / "summaries_en-us.json.gz", "rt", "utf-8") as file:
        texts = [entry["extract"] for entry in json.load(file).values()]
    counts = count_words([pa.array(texts[:1000])], VocabConfig())
    shuffled = counts.take(np.random.default_rng(0).permutation(len(counts)))
    config = VocabConfig(size=2000)
    assert fast.train(counts, config).fingerprint == fast.train(shuffled, config).fingerprint


def _size_of_alphabet(counts: pa.Table) -> int:
    """The smallest size that holds special pieces and alphabet, as the error message names it."""
    with pytest.raises(VocabularyError) as caught:
        fast.train(counts, VocabConfig(size=6))
    return int(str(caught.value).partition("set size to ")[2].split()[0])
