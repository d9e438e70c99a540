"""Examples from documents: equal to the reference row for row, whatever the path to it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.errors import ConfigError
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import (
    create_examples,
    cut_into_blocks,
    masking_vocabulary,
    select_split,
    tokenize_documents,
)
from bertdata.examples.statistics import add_counts, count_examples, describe_examples
from bertdata.randomness import CounterSource, derive_key
from bertdata.reference.algorithm import Pieces, create_document_examples
from bertdata.storage.schema import SENTENCES, examples_schema
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", ".")
)
PIECES = Pieces(
    cls=2,
    sep=3,
    mask=4,
    random_ids=range(VOCABULARY.size),
    continuation=VOCABULARY.continuation.tolist(),
)
TOKENIZER = SentenceTokenizer(VOCABULARY, TokenizationConfig())

words = st.text("abc.\u200b", min_size=1, max_size=6)
sentences = st.lists(words, min_size=1, max_size=12).map(" ".join)
corpora = st.lists(st.lists(sentences, min_size=1, max_size=8), min_size=1, max_size=6)
configs = st.builds(
    ExamplesConfig,
    max_seq_length=st.sampled_from([8, 24, 128]),
    short_seq_prob=st.sampled_from([0.0, 0.3]),
    whole_word_mask=st.booleans(),
    masking=st.sampled_from(["static", "dynamic"]),
    next_sentence=st.booleans(),
)


def to_table(corpus: list[list[str]], ids: list[int] | None = None) -> pa.Table:
    columns = {
        "document_id": np.array(ids or range(7, 7 + len(corpus)), dtype=np.uint64),
        "source": ["s"] * len(corpus),
        "document": [str(number) for number in range(len(corpus))],
        "sentences": corpus,
    }
    return pa.table(columns, schema=SENTENCES)


def expected_rows(
    corpus: list[list[str]], config: ExamplesConfig, seed: int, passes: int
) -> list[dict[str, Any]]:
    tokenized = [[TOKENIZER.encode(pa.array([s])).ids.tolist() for s in d] for d in corpus]
    kept = [(7 + n, [s for s in d if s]) for n, d in enumerate(tokenized) if any(d)]
    documents = [document for _, document in kept]
    masking = config.masking_config if config.masking == "static" else None
    return [
        {
            "input_ids": example.input_ids,
            "segment_b_start": example.segment_b_start,
            "masked_lm_positions": example.masked_lm_positions,
            "masked_lm_ids": example.masked_lm_ids,
            "next_sentence_label": int(example.is_random_next),
            "document_id": document_id,
        }
        for number in range(passes)
        for index, (document_id, _) in enumerate(kept)
        for example in create_document_examples(
            documents,
            index,
            config.pairing_config,
            masking,
            PIECES,
            CounterSource(derive_key(seed, "pairs", number, document_id)),
        )
    ]


@given(corpora, configs, st.integers(0, 2**63), st.integers(1, 3))
def test_equals_the_reference(
    corpus: list[list[str]], config: ExamplesConfig, seed: int, passes: int
) -> None:
    table = to_table(corpus)
    backwards = table.take(pa.array(range(len(table))[::-1], pa.int64()))
    documents = tokenize_documents(backwards, TOKENIZER)
    batch = create_examples(documents, config, VOCABULARY, seed, passes)
    assert batch.schema.equals(examples_schema(VOCABULARY.size))
    key = str
    expected = expected_rows(corpus, config, seed, passes)
    assert sorted(batch.to_pylist(), key=key) == sorted(expected, key=key)


@given(st.lists(sentences, min_size=1, max_size=8), configs, st.integers(0, 2**63))
def test_copies_under_one_id_draw_for_themselves(
    document: list[str], config: ExamplesConfig, seed: int
) -> None:
    config = dataclasses.replace(config, masking="static")
    documents = tokenize_documents(to_table([document] * 4, [9, 5, 9, 9]), TOKENIZER)
    batch = create_examples(documents, config, VOCABULARY, seed, 2)
    pieces = [s for s in (TOKENIZER.encode(pa.array([s])).ids.tolist() for s in document) if s]
    copies = [(5,), (9,), (9, 1), (9, 2)] if pieces else []
    expected = [
        (example.input_ids, example.masked_lm_positions, copy[0])
        for number in range(2)
        for index, copy in enumerate(copies)
        for example in create_document_examples(
            [pieces] * len(copies),
            index,
            config.pairing_config,
            config.masking_config,
            PIECES,
            CounterSource(derive_key(seed, "pairs", number, *copy)),
        )
    ]
    names = ("input_ids", "masked_lm_positions", "document_id")
    found = zip(*(batch.column(name).to_pylist() for name in names))
    assert sorted(found) == sorted(expected)


@given(corpora, st.integers(0, 2**63))
def test_static_and_dynamic_pairs_are_the_same(corpus: list[list[str]], seed: int) -> None:
    documents = tokenize_documents(to_table(corpus), TOKENIZER)
    static = create_examples(documents, ExamplesConfig(), VOCABULARY, seed, 2)
    dynamic = create_examples(documents, ExamplesConfig(masking="dynamic"), VOCABULARY, seed, 2)
    for masked, whole in zip(static.to_pylist(), dynamic.to_pylist(), strict=True):
        for position, piece in zip(masked["masked_lm_positions"], masked["masked_lm_ids"]):
            masked["input_ids"][position] = piece
        masked["masked_lm_positions"] = masked["masked_lm_ids"] = []
        assert masked == whole


def test_examples_are_shuffled() -> None:
    corpus = [["a b c."] * 40 for _ in range(20)]
    documents = tokenize_documents(to_table(corpus), TOKENIZER)
    batch = create_examples(documents, ExamplesConfig(max_seq_length=16), VOCABULARY, 1, 1)
    ids = batch.column("document_id").to_numpy()
    assert (np.diff(ids.astype(np.int64)) < 0).mean() > 0.3


def test_the_order_of_examples_never_changes() -> None:
    corpus = [["a b c."] * 3 for _ in range(12)]
    documents = tokenize_documents(to_table(corpus), TOKENIZER)
    found = [
        create_examples(documents, ExamplesConfig(), VOCABULARY, seed, 1)
        .column("document_id")
        .to_pylist()
        for seed in (1, 2)
    ]
    assert found == [
        [17, 7, 10, 9, 13, 18, 15, 16, 12, 7, 7, 18, 11, 8, 11, 17, 14, 11, 12, 14, 10, 13],
        [13, 16, 7, 8, 12, 7, 10, 9, 11, 17, 15, 14, 15, 17, 14, 18, 10, 15, 10, 9],
    ]


def test_blocks_hold_the_rows_that_fit() -> None:
    """131,072 pieces if all rows are full; one row at least; none is lost."""
    batch = pa.record_batch({"n": range(2500)})
    for length, sizes in (
        (128, [1024, 1024, 452]),
        (512, [256] * 9 + [196]),
        (1 << 20, [1] * 2500),
    ):
        blocks = list(cut_into_blocks(batch, length))
        assert [block.num_rows for block in blocks] == sizes
        assert [n for block in blocks for n in block["n"].to_pylist()] == list(range(2500))


def test_no_documents_give_no_examples() -> None:
    documents = tokenize_documents(to_table([]), TOKENIZER)
    batch = create_examples(documents, ExamplesConfig(), VOCABULARY, 1, 3)
    assert batch.num_rows == 0
    assert batch.schema.equals(examples_schema(VOCABULARY.size))


def test_splits_share_no_document() -> None:
    table = to_table([["a."]] * 300)
    train, validation = (select_split(table, split, 0.2, 5) for split in ("train", "validation"))
    assert train.num_rows + validation.num_rows == 300
    assert 30 < validation.num_rows < 90
    assert not set(train["document_id"].to_pylist()) & set(validation["document_id"].to_pylist())


@given(corpora, configs, st.integers(0, 2**63))
def test_counts_are_those_of_the_rows(
    corpus: list[list[str]], config: ExamplesConfig, seed: int
) -> None:
    batch = create_examples(
        tokenize_documents(to_table(corpus), TOKENIZER), config, VOCABULARY, seed, 2
    )
    rows = batch.to_pylist()
    counts = add_counts(
        count_examples(part, VOCABULARY.special.mask)
        for part in (batch.slice(0, len(rows) // 3), batch.slice(len(rows) // 3))
    )
    lengths = [len(row["input_ids"]) for row in rows]
    predicted = [
        (row["input_ids"][p], i)
        for row in rows
        for p, i in zip(row["masked_lm_positions"], row["masked_lm_ids"])
    ]
    assert counts["examples"] == len(rows)
    assert counts["pieces"] == sum(lengths)
    assert counts["lengths"] == np.bincount(lengths, minlength=513).tolist()
    assert counts["predicted"] == len(predicted)
    assert counts["masked"] == sum(shown == 4 for shown, _ in predicted)
    assert counts["kept"] == sum(shown == i != 4 for shown, i in predicted)
    assert counts["masked"] + counts["kept"] + counts["replaced"] == len(predicted)
    assert counts["random_next"] == sum(row["next_sentence_label"] for row in rows)
    shares = describe_examples(counts, config.max_seq_length)
    assert 0 <= shares["padding"] <= 1


def test_wide_vocabularies_need_wide_ids() -> None:
    assert examples_schema(65_536).field("input_ids").type.value_type == pa.uint16()
    assert examples_schema(65_537).field("input_ids").type.value_type == pa.uint32()


def test_masking_knows_the_vocabulary() -> None:
    pieces = masking_vocabulary(VOCABULARY)
    assert (pieces.mask_id, pieces.size) == (4, 12)
    assert pieces.continuation.tolist() == [False] * 8 + [True] * 3 + [False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masking": "later"}, "masking must be one of static, dynamic; got 'later'"),
        ({"max_seq_length": 1024}, "max_seq_length must be from 5 to 512, got 1024"),
        ({"dupe_factor": 0}, "dupe_factor"),
        ({"validation_fraction": 0.9}, "validation_fraction"),
        ({"num_shards": -1}, "num_shards"),
        ({"max_predictions_per_seq": 0}, "max_predictions_per_seq"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(ExamplesConfig(), **change)
