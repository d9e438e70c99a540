"""Shares within what chance explains: no honest data set is accused, shared random choices are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.checks.invariants import ExampleRules
from bertdata.checks.shares import SURELY, ExampleShares, check_held_out, check_masking, surprise
from bertdata.corpus.partitions import choose_validation
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import Documents, create_examples, cut_into_blocks
from bertdata.examples.pairing import TokenizedDocuments
from bertdata.examples.statistics import add_counts, count_examples
from bertdata.tokens.vocabulary import Vocabulary

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = Vocabulary((*SPECIAL, *(f"{'##' * (n % 3 == 0)}p{n}" for n in range(95))))

configs = st.builds(
    ExamplesConfig,
    max_seq_length=st.sampled_from([8, 32, 64, 128]),
    dupe_factor=st.sampled_from([1, 2, 10]),
    short_seq_prob=st.sampled_from([0.0, 0.1, 1.0]),
    masked_lm_prob=st.sampled_from([0.05, 0.15, 0.5]),
    max_predictions_per_seq=st.sampled_from([1, 5, 20, 77]),
    whole_word_mask=st.booleans(),
    masking=st.sampled_from(["static", "dynamic"]),
    next_sentence=st.booleans(),
)


def make_documents(num_documents: int, seed: int, ids: list[int] | None = None) -> Documents:
    """Documents of one to twelve sentences of one to forty pieces, or of one long sentence."""
    chance = np.random.default_rng(seed)
    counts = chance.integers(1, 13, num_documents)
    sizes = chance.integers(1, 41, counts.sum())
    sizes[chance.random(len(sizes)) < 0.02] = 300
    offsets = [np.append(0, np.cumsum(some)).astype(np.int64) for some in (sizes, counts)]
    pieces = chance.integers(5, VOCABULARY.size, sizes.sum()).astype(np.uint16)
    drawn = np.sort(chance.integers(0, 2**63, num_documents).astype(np.uint64))
    return Documents(
        tokenized=TokenizedDocuments(
            pieces=pieces, sentence_offsets=offsets[0], document_offsets=offsets[1]
        ),
        ids=drawn if ids is None else np.array(ids, dtype=np.uint64),
    )


def rules_of(config: ExamplesConfig) -> ExampleRules:
    return ExampleRules(
        max_seq_length=config.max_seq_length,
        next_sentence=config.next_sentence,
        masking=config.masking_config if config.masking == "static" else None,
        special=VOCABULARY.special,
        vocabulary_size=VOCABULARY.size,
    )


def findings(batch: pa.RecordBatch, config: ExamplesConfig) -> list[str]:
    return list(_check(batch, config))


def _check(batch: pa.RecordBatch, config: ExamplesConfig) -> Iterator[str]:
    shares = ExampleShares(rules_of(config), batch.num_rows)
    blocks = list(cut_into_blocks(batch, config.max_seq_length))
    for block in blocks:
        shares.add(block)
    shares.end_shard()
    counts = add_counts(count_examples(block, VOCABULARY.special.mask) for block in blocks)
    if counts:
        yield from shares.findings(counts)


@given(st.integers(0, 60), st.integers(0, 2**32), configs)
@settings(max_examples=150, deadline=None)
def test_no_honest_data_set_is_accused(
    num_documents: int, seed: int, config: ExamplesConfig
) -> None:
    documents = make_documents(num_documents, seed)
    batch = create_examples(documents, config, VOCABULARY, seed, config.dupe_factor)
    assert findings(batch, config) == []


def test_copies_are_honest() -> None:
    """Two hundred times the same document, under one id, as exact_duplicates = "keep" allows."""
    one = make_documents(1, 3).tokenized
    sentences, pieces = len(one.sentence_offsets) - 1, len(one.pieces)
    starts = one.sentence_offsets[:-1] + np.arange(200)[:, None] * pieces
    tokenized = TokenizedDocuments(
        pieces=np.tile(one.pieces, 200),
        sentence_offsets=np.append(starts.ravel(), 200 * pieces),
        document_offsets=np.arange(201) * sentences,
    )
    documents = Documents(tokenized=tokenized, ids=np.full(200, 7, dtype=np.uint64))
    config = ExamplesConfig(max_seq_length=64)
    assert findings(create_examples(documents, config, VOCABULARY, 1, 10), config) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("max_seq_length", [32, 128])
def test_shared_random_choices_are_found(
    seed: int, max_seq_length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty texts under one id, each keyed by the id alone."""
    monkeypatch.setattr(
        "bertdata.examples.make._count_before", lambda ids: np.zeros(len(ids), np.int64)
    )
    documents = make_documents(40, seed, [7] * 40)
    config = ExamplesConfig(max_seq_length=max_seq_length)
    batch = create_examples(documents, config, VOCABULARY, seed, 2)
    assert "shared their random choices" in "".join(findings(batch, config))


@pytest.mark.parametrize("name", ["masked", "kept", "replaced"])
def test_other_shares_than_asked_for_are_found(name: str) -> None:
    counts = {"predicted": 20_000, "masked": 16_020, "kept": 2020, "replaced": 1960}
    assert list(check_masking(counts, 100)) == []
    (finding,) = check_masking({**counts, name: counts[name] + 450}, 100)
    assert finding.startswith(f"{name} ")
    assert "of 20,000 predicted pieces, configured " in finding


def test_too_few_random_bs_are_found() -> None:
    config = ExamplesConfig(max_seq_length=64)
    batch = create_examples(make_documents(100, 1), config, VOCABULARY, 1, 10)
    labels = batch.column("next_sentence_label").to_numpy().copy()
    assert findings(batch, config) == []
    labels[::2] = 0
    place = batch.schema.get_field_index("next_sentence_label")
    changed = batch.set_column(place, batch.schema.field(place), pa.array(labels))
    (finding,) = findings(changed, config)
    assert finding.startswith("B is random in ")


@pytest.mark.parametrize("fraction", [0.0, 0.005, 0.2, 0.5])
def test_held_out_shares(fraction: float) -> None:
    ids = np.random.default_rng(5).integers(0, 2**63, 20_000).astype(np.uint64)
    for seed in range(50):
        for size in (0, 1, 7, 300, len(ids)):
            held_out = int(choose_validation(ids[:size], fraction, seed).sum())
            assert list(check_held_out(held_out, size, fraction)) == []
    assert list(check_held_out(int(20_000 * fraction) + 800, 20_000, fraction))


@given(st.integers(1, 300), st.sampled_from([0.005, 0.1, 0.5, 0.8]))
def test_what_surprises_is_as_rare_as_it_says(total: int, share: float) -> None:
    """The exact probability of counts at least as far off, on one side, is below the bound."""
    logs = [
        math.lgamma(total + 1)
        - math.lgamma(n + 1)
        - math.lgamma(total - n + 1)
        + n * math.log(share)
        + (total - n) * math.log(1 - share)
        for n in range(total + 1)
    ]
    weights = np.exp(np.array(logs))
    for count in range(total + 1):
        tail = weights[count:] if count > total * share else weights[: count + 1]
        assert tail.sum() <= math.exp(-surprise(count, total, share)) * (1 + 1e-9)
    assert surprise(round(total * share), total, share) < SURELY
