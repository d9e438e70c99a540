"""Masked-language-model predictions for a whole batch at once.

The definition is `bertdata.reference.algorithm.mask_example` over the counter-based source; here
the same draws are made for all rows together (tests check that both are equal). Shape suffixes: B
rows of the batch, L padded length, M predictions of the row with the most, C candidates (pieces
that are neither [CLS] nor [SEP]).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bertdata.arrays import BoolArray, Int64Array, IntegerArray, UInt64Array
from bertdata.randomness import draw_array, uniform_array
from bertdata.reference.config import KEEP_SHARE, MASK_SHARE, MaskingConfig


@dataclass(frozen=True, kw_only=True)
class MaskingVocabulary:
    """What masking needs of a vocabulary: [MASK]'s id, its size, which pieces start with ##."""

    mask_id: int
    size: int
    continuation: BoolArray


@dataclass(frozen=True, kw_only=True)
class _MaskedBatch:
    """Masked rows. After its `num_predictions_B`, positions and labels of a row are 0."""

    input_ids_BL: IntegerArray
    positions_BM: Int64Array
    label_ids_BM: IntegerArray
    num_predictions_B: Int64Array


def mask_batch(
    input_ids_BL: IntegerArray,
    lengths_B: IntegerArray,
    segment_b_starts_B: IntegerArray,
    keys_B: UInt64Array,
    config: MaskingConfig,
    vocabulary: MaskingVocabulary,
) -> _MaskedBatch:
    """Mask padded rows [CLS] A [SEP] (B [SEP]); each row by its own key. Inputs are not changed."""
    rows = np.arange(len(lengths_B))[:, None]
    limits_B = prediction_limits(lengths_B, config)
    a_sizes_B = segment_b_starts_B.astype(np.int64) - 2
    has_b_B = segment_b_starts_B < lengths_B
    num_candidates_B = lengths_B.astype(np.int64) - 2 - has_b_B
    shuffle_keys_B = draw_array(keys_B, 1)
    if config.whole_word_mask:
        starts_BC = _word_starts(input_ids_BL, num_candidates_B, a_sizes_B, vocabulary)
        chosen_BM, num_B = _choose_words(starts_BC, num_candidates_B, limits_B, shuffle_keys_B)
    else:
        chosen_BM, num_B = _choose_pieces(num_candidates_B, limits_B, shuffle_keys_B)
    positions_BM = _positions_of(chosen_BM, a_sizes_B)
    is_used_BM = np.arange(chosen_BM.shape[1]) < num_B[:, None]
    positions_BM[~is_used_BM] = 0
    labels_BM = np.where(is_used_BM, input_ids_BL[rows, positions_BM], 0)
    hidden_BM = _replace_pieces(labels_BM, keys_B, vocabulary)
    masked_BL = input_ids_BL.copy()
    # Unused columns write position 0's own piece back: [CLS] is never a candidate.
    masked_BL[rows, positions_BM] = np.where(is_used_BM, hidden_BM, input_ids_BL[:, :1])
    order_BM = np.argsort(np.where(is_used_BM, positions_BM, input_ids_BL.shape[1]), axis=1)
    return _MaskedBatch(
        input_ids_BL=masked_BL,
        positions_BM=np.take_along_axis(positions_BM, order_BM, axis=1),
        label_ids_BM=np.take_along_axis(labels_BM, order_BM, axis=1),
        num_predictions_B=num_B,
    )


def prediction_limits(lengths_B: IntegerArray, config: MaskingConfig) -> Int64Array:
    """The maximum number of pieces to predict in rows of these lengths (halves round to even)."""
    wanted_B = np.rint(lengths_B * config.masked_lm_prob).astype(np.int64)
    limits_B: Int64Array = np.clip(wanted_B, 1, config.max_predictions_per_seq)
    return limits_B


def _choose_pieces(
    num_candidates_B: Int64Array,
    limits_B: Int64Array,
    keys_B: UInt64Array,
) -> tuple[Int64Array, Int64Array]:
    """The first `limits_B` of each row's shuffled candidates, and their number."""
    num_B = np.minimum(limits_B, num_candidates_B)
    order_BC = _iota(num_candidates_B)
    longest = int(num_B.max(initial=0))
    for i in range(longest):
        _shuffle_step(order_BC, i, num_candidates_B, keys_B)
    return order_BC[:, :longest], num_B


def _choose_words(
    starts_BC: Int64Array,
    num_candidates_B: Int64Array,
    limits_B: Int64Array,
    keys_B: UInt64Array,
) -> tuple[Int64Array, Int64Array]:
    """Candidates of whole words in shuffled order; a word that exceeds the limit is skipped.

    `starts_BC`: first candidate of each word; after the last word, the number of candidates.
    """
    num_rows = len(limits_B)
    num_words_B = (starts_BC < num_candidates_B[:, None]).sum(axis=1)
    order_BC = _iota(num_words_B)
    chosen_BM = np.zeros((num_rows, int(limits_B.max(initial=0))), dtype=np.int64)
    num_B = np.zeros(num_rows, dtype=np.int64)
    rows = np.arange(num_rows)
    for i in range(order_BC.shape[1]):
        if not np.any((num_B < limits_B) & (i < num_words_B)):
            break
        _shuffle_step(order_BC, i, num_words_B, keys_B)
        word_B = order_BC[:, i]
        first_B = starts_BC[rows, word_B]
        size_B = starts_BC[rows, word_B + 1] - first_B
        size_B[(i >= num_words_B) | (num_B + size_B > limits_B)] = 0
        for k in range(int(size_B.max(initial=0))):
            taking = np.flatnonzero(k < size_B)
            chosen_BM[taking, num_B[taking] + k] = first_B[taking] + k
        num_B += size_B
    return chosen_BM, num_B


def _word_starts(
    input_ids_BL: IntegerArray,
    num_candidates_B: Int64Array,
    a_sizes_B: Int64Array,
    vocabulary: MaskingVocabulary,
) -> Int64Array:
    """First candidate of each word, row by row, padded with the number of candidates.

    A piece with ## belongs to the word before it, even across [SEP], as in the original.
    """
    longest = int(num_candidates_B.max(initial=0))
    candidates_BC = np.broadcast_to(np.arange(longest), (len(input_ids_BL), longest))
    positions_BC = np.minimum(_positions_of(candidates_BC, a_sizes_B), input_ids_BL.shape[1] - 1)
    pieces_BC = np.take_along_axis(input_ids_BL, positions_BC, axis=1)
    is_start_BC = ~vocabulary.continuation[pieces_BC]
    is_start_BC[:, :1] = True
    is_start_BC &= candidates_BC < num_candidates_B[:, None]
    starts_BC = np.where(is_start_BC, candidates_BC, num_candidates_B[:, None])
    filling_B1 = num_candidates_B[:, None]
    return np.concatenate([np.sort(starts_BC, axis=1), filling_B1], axis=1)


def _replace_pieces(
    labels_BM: IntegerArray, keys_B: UInt64Array, vocabulary: MaskingVocabulary
) -> IntegerArray:
    """The new piece of each predicted position: 80% [MASK], 10% the piece itself, 10% a random one.

    A position uses one to three draws, in order, from the row's second draw on (the first one is
    the key of the shuffle); so the loop runs over positions, for all rows at once.
    """
    hidden_BM = np.full_like(labels_BM, vocabulary.mask_id)
    counters_B = np.full(len(keys_B), 2)
    for m in range(labels_BM.shape[1]):
        rest = np.flatnonzero(uniform_array(keys_B, counters_B) >= MASK_SHARE)
        counters_B += 1
        is_kept = uniform_array(keys_B[rest], counters_B[rest]) < KEEP_SHARE
        counters_B[rest] += 1
        hidden_BM[rest, m] = labels_BM[rest, m]
        randoms = rest[~is_kept]
        numbers = uniform_array(keys_B[randoms], counters_B[randoms]) * vocabulary.size
        counters_B[randoms] += 1
        hidden_BM[randoms, m] = numbers.astype(labels_BM.dtype)
    return hidden_BM


def _shuffle_step(
    order_BC: Int64Array,
    i: int,
    sizes_B: Int64Array,
    keys_B: UInt64Array,
) -> None:
    """Step `i` of CounterSource.shuffle on every row that is longer than i + 1."""
    left_B = np.maximum(sizes_B - i, 1)
    j_B = i + (uniform_array(keys_B, i + 1) * left_B).astype(np.int64)
    rows = np.arange(len(order_BC))
    order_BC[rows, j_B], order_BC[:, i] = order_BC[:, i].copy(), order_BC[rows, j_B]


def _iota(sizes_B: Int64Array) -> Int64Array:
    """One row 0, 1, 2, … per size, each as long as the largest size."""
    longest = int(sizes_B.max(initial=0))
    return np.tile(np.arange(longest, dtype=np.int64), (len(sizes_B), 1))


def _positions_of(candidates: Int64Array, a_sizes_B: Int64Array) -> Int64Array:
    """Positions of candidates: [CLS] is before those of A, and also [SEP] before those of B."""
    return candidates + 1 + (candidates >= a_sizes_B[:, None])
