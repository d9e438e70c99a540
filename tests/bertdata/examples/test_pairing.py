"""The compiled pairs, joined and masked, equal the reference over the counter-based source."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.examples.pairing import TokenizedDocuments, create_pairs, join_spans
from bertdata.examples.static_masking import mask_joined
from bertdata.randomness import CounterSource
from bertdata.reference.algorithm import Example, create_document_examples
from bertdata.reference.config import MaskingConfig, PairingConfig
from tests.strategies import (
    CLS,
    MASKING_VOCABULARY,
    PIECES,
    SEP,
    documents,
    keys,
    masking_configs,
    pairing_configs,
)


def flatten(documents: list[list[list[int]]]) -> TokenizedDocuments:
    sizes = [len(sentence) for document in documents for sentence in document]
    return TokenizedDocuments(
        pieces=np.array([p for d in documents for s in d for p in s], dtype=np.uint16),
        sentence_offsets=np.cumsum([0, *sizes]),
        document_offsets=np.cumsum([0, *(len(document) for document in documents)]),
    )


@settings(max_examples=300)
@given(documents, pairing_configs, masking_configs, st.lists(keys, min_size=5, max_size=5))
def test_equals_the_reference(
    documents: list[list[list[int]]],
    pairing: PairingConfig,
    masking: MaskingConfig,
    keys: list[int],
) -> None:
    expected = [
        (number, example)
        for number in range(len(documents))
        for example in create_document_examples(
            documents, number, pairing, masking, PIECES, CounterSource(keys[number])
        )
    ]
    tokenized = flatten(documents)
    pairs = create_pairs(tokenized, np.array(keys[: len(documents)], dtype=np.uint64), pairing)
    joined = join_spans(tokenized.pieces, pairs, CLS, SEP)
    assert len(pairs.document) == len(expected)
    if not expected:
        return
    predictions = mask_joined(joined, pairs.mask_key, masking, MASKING_VOCABULARY)
    found = []
    for row, document in enumerate(pairs.document):
        first, last = predictions.offsets[row : row + 2]
        example = Example(
            input_ids=joined.input_ids[joined.offsets[row] : joined.offsets[row + 1]].tolist(),
            segment_b_start=int(joined.segment_b_start[row]),
            masked_lm_positions=predictions.positions[first:last].tolist(),
            masked_lm_ids=predictions.ids[first:last].tolist(),
            is_random_next=bool(pairs.is_random_next[row]),
        )
        found.append((int(document), example))
    assert found == expected


def test_the_plain_python_under_the_compiler_returns_the_same() -> None:
    from bertdata.examples import pairing

    documents = [[[5, 6, 7], [8, 9]], [[10], [11, 12, 13, 14], [15]]]
    tokenized = flatten(documents)
    keys = np.array([1, 2], dtype=np.uint64)
    config = PairingConfig(max_seq_length=8, short_seq_prob=0.5)
    compiled = create_pairs(tokenized, keys, config)
    plain = pairing._empty_pairs(5)
    with np.errstate(over="ignore"):
        count = pairing._pair_sentences.py_func(
            tokenized.sentence_offsets, tokenized.document_offsets, keys, 5, 0.5, plain
        )
    assert [column[:count].tolist() for column in plain] == [c.tolist() for c in compiled]


@pytest.mark.parametrize(
    ("documents", "halves"),
    [
        ([[[5]]], []),  # half of a single piece is nothing
        ([[[5, 6]]], [(0, 1, 1, 2)]),
        ([[[5], [6], [7]]], None),
    ],
)
def test_a_document_alone_is_paired_with_itself_and_never_with_nothing(
    documents: list[list[list[int]]], halves: list[tuple[int, ...]] | None
) -> None:
    for key in range(40):
        keys = np.array([key], dtype=np.uint64)
        pairs = create_pairs(flatten(documents), keys, PairingConfig(short_seq_prob=0.5))
        assert (pairs.a_start < pairs.a_end).all()
        assert (pairs.b_start < pairs.b_end).all()
        assert halves is None or list(zip(*(c.tolist() for c in pairs[:4]))) == halves


def test_the_original_tries_are_refused() -> None:
    with pytest.raises(NotImplementedError):
        create_pairs(
            flatten([[[5]]]), np.zeros(1, np.uint64), PairingConfig(original_random_next=True)
        )
