"""Masks for the shards: the reference's `mask_example`, compiled, for examples in one flat array.

(`bertdata.examples.masking` does the same for padded batches with numpy; the reader uses it.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bertdata.arrays import BoolArray, ByteArray, Int64Array, PieceArray, UInt16Array, UInt64Array
from bertdata.examples.masking import MaskingVocabulary, prediction_limits
from bertdata.examples.pairing import JoinedExamples
from bertdata.kernels.compilation import kernel
from bertdata.kernels.random import below, draw, uniform
from bertdata.reference.config import KEEP_SHARE, MASK_SHARE, MaskingConfig


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Masked positions and their original pieces, flat; those of example e from `offsets[e]` on."""

    positions: UInt16Array
    ids: PieceArray
    offsets: Int64Array


def mask_joined(
    joined: JoinedExamples,
    keys: UInt64Array,
    config: MaskingConfig,
    vocabulary: MaskingVocabulary,
) -> Predictions:
    """Hide pieces of the examples in place, each by its own key; returns what was hidden."""
    limits = prediction_limits(np.diff(joined.offsets), config)
    room = int(limits.sum()) + 1  # one spare slot: the loop writes before it knows whether to keep
    positions = np.empty(room, dtype=np.uint16)
    ids = np.empty(room, dtype=joined.input_ids.dtype)
    offsets = np.zeros(len(keys) + 1, dtype=np.int64)
    _mask_examples(
        joined.input_ids,
        joined.offsets,
        joined.segment_b_start,
        keys,
        limits,
        vocabulary.continuation if config.whole_word_mask else np.zeros(0, dtype=np.bool_),
        vocabulary.mask_id,
        vocabulary.size,
        positions,
        ids,
        offsets,
        _Scratch.allocate(int(np.diff(joined.offsets).max(initial=0)), ids.dtype),
    )
    count = int(offsets[-1])
    return Predictions(positions=positions[:count], ids=ids[:count], offsets=offsets)


def no_predictions(joined: JoinedExamples) -> Predictions:
    """Empty lists: the reader masks."""
    return Predictions(
        positions=np.empty(0, dtype=np.uint16),
        ids=np.empty(0, dtype=joined.input_ids.dtype),
        offsets=np.zeros(len(joined.offsets), dtype=np.int64),
    )


class _Scratch(NamedTuple):
    """Scratch arrays for the places of one example, reused for all examples."""

    places: Int64Array
    starts: Int64Array
    order: Int64Array
    chosen: Int64Array
    before: PieceArray
    is_hidden: ByteArray

    @classmethod
    def allocate(cls, longest: int, dtype: npt.DTypeLike) -> Self:
        places, starts, order, chosen = np.empty((4, longest + 1), np.int64)
        order[:] = np.arange(longest + 1)
        before = np.zeros(longest, dtype)
        return cls(places, starts, order, chosen, before, np.zeros(longest, np.uint8))


@kernel
def _mask_examples(
    input_ids: PieceArray,
    offsets: Int64Array,
    segment_b_starts: UInt16Array,
    keys: UInt64Array,
    limits: Int64Array,
    continuation: BoolArray,
    mask_id: int,
    vocabulary_size: int,
    positions: UInt16Array,
    ids: PieceArray,
    prediction_offsets: Int64Array,
    scratch: _Scratch,
) -> None:
    places, starts, order, chosen, before, is_hidden = scratch
    at = 0
    for e in range(len(keys)):
        example = input_ids[offsets[e] : offsets[e + 1]]
        key = keys[e]
        if len(continuation):
            num_places = _find_places(len(example), segment_b_starts[e], places)
            num_words = _find_words(example, places, num_places, continuation, starts)
            num = _choose_words(places, starts, num_words, limits[e], draw(key, 1), order, chosen)
        else:
            num = _choose_pieces(
                len(example), segment_b_starts[e], limits[e], draw(key, 1), order, chosen
            )
        # Draw 1 was the key of the shuffle; each place uses one to three draws from 2 on.
        counter = 2
        for i in range(num):
            place = chosen[i]
            before[place] = example[place]
            if uniform(key, counter) < MASK_SHARE:
                example[place] = mask_id
            else:
                counter += 1
                if uniform(key, counter) >= KEEP_SHARE:
                    counter += 1
                    example[place] = below(key, counter, vocabulary_size)
            counter += 1
            is_hidden[place] = 1
        # Positions in ascending order: looking at every place without a branch is faster than
        # sorting. Each place is written to slot `at`, which advances only after a hidden one.
        for place in range(len(example)):
            positions[at], ids[at] = place, before[place]
            at += is_hidden[place]
            is_hidden[place] = 0
        prediction_offsets[e + 1] = at


@kernel
def _find_places(length: int, segment_b_start: int, places: Int64Array) -> int:
    """Find the positions that are neither [CLS] nor [SEP]; returns their number."""
    count = 0
    for place in range(1, length - 1):
        if place != segment_b_start - 1:
            places[count] = place
            count += 1
    return count


@kernel
def _find_words(
    example: PieceArray,
    places: Int64Array,
    num_places: int,
    continuation: BoolArray,
    starts: Int64Array,
) -> int:
    """Find where words start among the places; returns their number. The end follows the last."""
    count = 0
    for i in range(num_places):
        if i == 0 or not continuation[example[places[i]]]:
            starts[count] = i
            count += 1
    starts[count] = num_places
    return count


@kernel
def _choose_pieces(
    length: int,
    segment_b_start: int,
    limit: int,
    key: np.uint64,
    order: Int64Array,
    chosen: Int64Array,
) -> int:
    """Choose the first `limit` of the shuffled places; returns their number.

    `order` is 0, 1, 2, … before and after, so that it need not be filled for each example: only the
    entries that the shuffle touches are changed and restored, about a seventh of all.
    """
    separator = segment_b_start - 1
    num_places = length - 2 - (separator < length - 1)
    num = min(limit, num_places)
    for i in range(num):
        j = i + below(key, i + 1, num_places - i)
        chosen[i] = order[j]
        order[j] = order[i]
    for i in range(num):
        # Only drawn entries changed, and each held its own index when it was first drawn: so
        # `chosen` has the indexes of all entries to restore.
        order[chosen[i]] = chosen[i]
        order[i] = i
    for i in range(num):
        place = 1 + chosen[i]
        chosen[i] = place + (place >= separator)
    return num


@kernel
def _choose_words(
    places: Int64Array,
    starts: Int64Array,
    num_words: int,
    limit: int,
    key: np.uint64,
    order: Int64Array,
    chosen: Int64Array,
) -> int:
    """Choose places of shuffled words up to the limit; a word that exceeds it is skipped."""
    for i in range(num_words):
        order[i] = i
    count = 0
    for i in range(num_words):
        if count == limit:
            break
        j = i + below(key, i + 1, num_words - i)
        word = order[j]
        order[j] = order[i]
        if count + starts[word + 1] - starts[word] <= limit:
            for p in range(starts[word], starts[word + 1]):
                chosen[count] = places[p]
                count += 1
    return count
