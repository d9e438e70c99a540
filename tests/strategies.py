"""Hypothesis strategies for what several tests draw."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from bertdata.examples.masking import MaskingVocabulary
from bertdata.reference.algorithm import Pieces
from bertdata.reference.config import MaskingConfig, PairingConfig

VOCABULARY_SIZE = 50
CLS, SEP, MASK = 2, 3, 4
CONTINUATION = np.arange(VOCABULARY_SIZE) % 3 == 0
CONTINUATION[:5] = False

PIECES = Pieces(
    cls=CLS,
    sep=SEP,
    mask=MASK,
    random_ids=range(VOCABULARY_SIZE),
    continuation=CONTINUATION.tolist(),
)
MASKING_VOCABULARY = MaskingVocabulary(
    mask_id=MASK, size=VOCABULARY_SIZE, continuation=CONTINUATION
)

keys = st.integers(0, 2**64 - 1)
pieces = st.integers(5, VOCABULARY_SIZE - 1)
sentences = st.lists(pieces, min_size=1, max_size=40)
documents = st.lists(st.lists(sentences, min_size=1, max_size=12), min_size=1, max_size=5)

pairing_configs = st.builds(
    PairingConfig,
    max_seq_length=st.sampled_from([5, 6, 16, 64, 128, 512]),
    short_seq_prob=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    next_sentence=st.booleans(),
)
masking_configs = st.builds(
    MaskingConfig,
    masked_lm_prob=st.sampled_from([0.01, 0.15, 0.5, 1.0]),
    max_predictions_per_seq=st.sampled_from([1, 3, 20, 77]),
    whole_word_mask=st.booleans(),
)
