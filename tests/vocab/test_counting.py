from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from bertdata.tokens.tokenizer import build_normalizer
from vocab import counting
from vocab.config import VocabConfig
from vocab.counting import (
    COUNTS_SCHEMA,
    add_up_counts,
    assign_buckets,
    count_words,
    merge_counts,
)

CONFIGS = {
    "uncased": VocabConfig(),
    "cased": VocabConfig(lowercase=False),
    "accents": VocabConfig(strip_accents=False),
    "chinese-together": VocabConfig(split_chinese_characters=False),
}

sentences_of_any_text = st.lists(
    st.one_of(st.text(alphabet="abAB ,.'éÉ中文#[]", max_size=20), st.text(max_size=12)),
    max_size=8,
)


def counts_of(table: pa.Table) -> dict[str, int]:
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist()))


def table_of(counts: dict[str, int]) -> pa.Table:
    return pa.table([list(counts), list(counts.values())], schema=COUNTS_SCHEMA)


def count_plainly(sentences: list[str], config: VocabConfig) -> Counter[str]:
    normalize = build_normalizer(config.tokenization).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return Counter(word for text in sentences for word, _ in split(normalize(text)))


def test_counts_in_their_order() -> None:
    table = count_words([pa.array(["The cat, the Élan.", "cat\u3000b 中文"])], VocabConfig())
    assert table.schema == COUNTS_SCHEMA
    words = ["cat", "the", ",", ".", "b", "elan", "中", "文"]
    assert list(counts_of(table).items()) == list(zip(words, [2, 2, 1, 1, 1, 1, 1, 1]))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=80, deadline=None)
@given(sentences=sentences_of_any_text)
def test_equals_counting_plainly(config: VocabConfig, sentences: list[str]) -> None:
    table = count_words([pa.array(sentences, type=pa.string())], config)
    assert counts_of(table) == count_plainly(sentences, config)


@settings(max_examples=50, deadline=None)
@given(batches=st.lists(sentences_of_any_text, max_size=4))
def test_what_is_remembered_changes_nothing(batches: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_MAX_PARTS", 3)
        table = count_words([pa.array(some, type=pa.string()) for some in batches], VocabConfig())
    assert counts_of(table) == count_plainly([*itertools.chain(*batches)], VocabConfig())


@pytest.mark.parametrize("language", ["en", "de", "tr", "ko", "zh", "th"])
def test_equals_counting_plainly_on_real_text(shared_data: Path, language: str) -> None:
    with gzip.open(shared_data / "parallel-pud" / f"{language}.jsonl.gz", "rt", "utf-8") as lines:
        sentences = [sentence for line in lines for sentence in json.loads(line)["sents"]]
    for config in (VocabConfig(), VocabConfig(lowercase=False)):
        table = count_words([pa.array(sentences)], config)
        assert counts_of(table) == count_plainly(sentences, config)


@settings(max_examples=50, deadline=None)
@given(
    counts=st.dictionaries(st.text(max_size=4), st.integers(1, 2**55), max_size=20),
    data=st.data(),
)
def test_merging_does_not_depend_on_the_parts(counts: dict[str, int], data: st.DataObject) -> None:
    parts: list[dict[str, int]] = [{}, {}, {}]
    for word in data.draw(st.permutations(list(counts))):
        first = data.draw(st.integers(0, counts[word]))
        for part, share in ((0, first), (data.draw(st.integers(1, 2)), counts[word] - first)):
            if share:
                parts[part][word] = share
    order = data.draw(st.permutations([table_of(part) for part in parts]))
    merged = merge_counts([merge_counts(order[:2]), order[2]])
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    assert list(counts_of(merged).items()) == expected
    assert merged.schema == COUNTS_SCHEMA


@given(parts=st.lists(st.dictionaries(st.text("ab", max_size=2), st.integers(1, 9)), max_size=20))
def test_counts_add_up_some_tables_at_a_time(parts: list[dict[str, int]]) -> None:
    tables = [table_of(part) for part in parts]
    assert add_up_counts(iter(tables)).equals(merge_counts(tables))


words = st.lists(st.text("aé中\x00", max_size=12), max_size=30)


@given(words, st.integers(1, 9), st.lists(st.integers(0, 30), max_size=3))
def test_the_bucket_of_a_word_is_its_own_wherever_it_is(
    words: list[str], num_buckets: int, cuts: list[int]
) -> None:
    bounds = [0, *sorted(min(cut, len(words)) for cut in cuts), len(words)]
    whole = pa.array(words, pa.string())
    chunks = pa.chunked_array(
        [whole[start:stop] for start, stop in itertools.pairwise(bounds)], pa.string()
    )
    buckets = assign_buckets(chunks, num_buckets)
    assert buckets.dtype == "int32"
    alone = [int(assign_buckets(pa.chunked_array([[w]]), num_buckets)[0]) for w in words]
    assert buckets.tolist() == alone
    assert all(0 <= bucket < num_buckets for bucket in alone)


def test_words_fall_into_all_buckets_alike() -> None:
    words = pa.chunked_array([[f"{letter}{n}" for letter in "abc" for n in range(2000)]])
    sizes = Counter(assign_buckets(words, 4).tolist())
    assert min(sizes.values()) > 1300
    assert len(sizes) == 4


def test_words_of_one_beginning_are_told_apart_by_their_length() -> None:
    words = pa.chunked_array([["supercalifragil" + "i" * n for n in range(400)]])
    sizes = Counter(assign_buckets(words, 4).tolist())
    assert len(sizes) == 4
    assert min(sizes.values()) > 60


def test_no_words_are_in_no_bucket() -> None:
    for words in (pa.chunked_array([], pa.string()), pa.chunked_array([pa.array([], pa.string())])):
        assert assign_buckets(words, 3).tolist() == []


def test_counts_above_32_bits() -> None:
    merged = merge_counts([table_of({"a": 2**40}), table_of({"a": 2**40})])
    assert counts_of(merged) == {"a": 2**41}


def test_nothing_gives_no_words() -> None:
    assert merge_counts([]).equals(COUNTS_SCHEMA.empty_table())
    empty = count_words([pa.array([], type=pa.string())], VocabConfig())
    assert empty.equals(COUNTS_SCHEMA.empty_table())
    assert count_words([pa.array(["", " \x00"])], VocabConfig()).num_rows == 0
