"""The fast path from documents to pairs: compiled, equal to `bertdata.reference` to the last bit.

Documents lie in three flat arrays: all pieces in a row, where each sentence starts, and where each
document starts among the sentences. As a segment is always a run of neighbouring sentences, cut at
its ends, a pair is four offsets into the pieces; nothing is copied before `join_spans`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from bertdata.arrays import ByteArray, Int64Array, PieceArray, UInt16Array, UInt64Array, offsets_of
from bertdata.kernels.compilation import inlined, kernel
from bertdata.kernels.random import below, draw, uniform
from bertdata.reference.config import PairingConfig


@dataclass(frozen=True, kw_only=True)
class TokenizedDocuments:
    """Documents as pieces. No sentence and no document is empty.

    `pieces`: all ids. `sentence_offsets[s]`: first piece of sentence s; the last entry is the end.
    `document_offsets[d]`: first sentence of document d; the last entry is the end.
    """

    pieces: PieceArray
    sentence_offsets: Int64Array
    document_offsets: Int64Array

    def __len__(self) -> int:
        return len(self.document_offsets) - 1


def reorder(documents: TokenizedDocuments, order: Int64Array) -> TokenizedDocuments:
    """The documents `order[0]`, `order[1]` and so on."""
    counts = np.diff(documents.document_offsets)[order]
    document_offsets = offsets_of(counts)
    shifts = documents.document_offsets[:-1][order] - document_offsets[:-1]
    sentences = np.repeat(shifts, counts) + np.arange(document_offsets[-1])
    sizes = np.diff(documents.sentence_offsets)[sentences]
    sentence_offsets = offsets_of(sizes)
    pieces = np.empty_like(documents.pieces)
    _copy_sentences(
        documents.pieces, documents.sentence_offsets, sentences, sentence_offsets, pieces
    )
    return TokenizedDocuments(
        pieces=pieces, sentence_offsets=sentence_offsets, document_offsets=document_offsets
    )


class Pairs(NamedTuple):
    """Pairs as offsets into the pieces: A is [a_start, a_end), B is [b_start, b_end) or empty.

    `document`: index of A's document. `mask_key`: key of the source that masks the example.
    """

    a_start: Int64Array
    a_end: Int64Array
    b_start: Int64Array
    b_end: Int64Array
    is_random_next: ByteArray
    document: Int64Array
    mask_key: UInt64Array


class JoinedExamples(NamedTuple):
    """Examples in one flat array: example e has the `input_ids[offsets[e]:offsets[e + 1]]`."""

    input_ids: PieceArray
    offsets: Int64Array
    segment_b_start: UInt16Array


def create_pairs(documents: TokenizedDocuments, keys: UInt64Array, config: PairingConfig) -> Pairs:
    """One pass over all documents; `keys[d]` keys the source of document d in this pass."""
    if config.original_random_next:
        raise NotImplementedError("the original's ten tries are for bertdata.reference only")
    text = documents.sentence_offsets, documents.document_offsets
    numbers = config.max_num_pieces, config.short_seq_prob
    if not config.next_sentence:
        pairs = _empty_pairs(_count_segments(*text, keys, *numbers))
        _cut_segments(*text, keys, *numbers, pairs)
        return pairs
    # Each pair uses up at least one sentence, so there is room for all.
    pairs = _empty_pairs(len(documents.sentence_offsets) - 1)
    count = _pair_sentences(*text, keys, *numbers, pairs)
    return Pairs._make(column[:count] for column in pairs)


def join_spans(pieces: PieceArray, pairs: Pairs, cls: int, sep: int) -> JoinedExamples:
    """[CLS] A [SEP] B [SEP] of every pair ([CLS] A [SEP] where B is empty), in one flat array."""
    a_sizes = pairs.a_end - pairs.a_start
    b_sizes = pairs.b_end - pairs.b_start
    offsets = offsets_of(a_sizes + b_sizes + np.where(b_sizes > 0, 3, 2))
    input_ids = np.empty(offsets[-1], dtype=pieces.dtype)
    _join(pieces, pairs, offsets, cls, sep, input_ids)
    return JoinedExamples(input_ids, offsets, (a_sizes + 2).astype(np.uint16))


def _empty_pairs(capacity: int) -> Pairs:
    offsets = np.empty((4, capacity), dtype=np.int64)
    return Pairs(
        offsets[0],
        offsets[1],
        offsets[2],
        offsets[3],
        np.zeros(capacity, dtype=np.uint8),
        np.empty(capacity, dtype=np.int64),
        np.empty(capacity, dtype=np.uint64),
    )


@njit(cache=True)
def _copy_sentences(
    pieces: PieceArray,
    offsets: Int64Array,
    sentences: Int64Array,
    new_offsets: Int64Array,
    new_pieces: PieceArray,
) -> None:
    for number, sentence in enumerate(sentences):
        start, stop = offsets[sentence], offsets[sentence + 1]
        new_pieces[new_offsets[number] : new_offsets[number + 1]] = pieces[start:stop]


@inlined
def _target_length(
    key: np.uint64, counter: int, max_pieces: int, short_seq_prob: float
) -> tuple[int, int]:
    """The target length, and the next counter."""
    if uniform(key, counter) < short_seq_prob:
        return 2 + below(key, counter + 1, max_pieces - 1), counter + 2
    return max_pieces, counter + 1


@inlined
def _chunk_end(sentence_offsets: Int64Array, start: int, stop: int, target: int) -> int:
    """The end of the chunk: after the sentence with which it reaches the target, or `stop`."""
    end = start + 1
    while end < stop and sentence_offsets[end] - sentence_offsets[start] < target:
        end += 1
    return end


@kernel
def _truncate(
    a_start: int,
    a_end: int,
    b_start: int,
    b_end: int,
    max_pieces: int,
    key: np.uint64,
    counter: int,
) -> tuple[int, int, int, int, int]:
    """The four offsets, cut to `max_pieces` pieces in all, and the next counter."""
    while a_end - a_start + b_end - b_start > max_pieces:
        front = uniform(key, counter) < 0.5
        counter += 1
        if a_end - a_start > b_end - b_start:
            if front:
                a_start += 1
            else:
                a_end -= 1
        elif front:
            b_start += 1
        else:
            b_end -= 1
    return a_start, a_end, b_start, b_end, counter


@kernel
def _pair_sentences(
    sentence_offsets: Int64Array,
    document_offsets: Int64Array,
    keys: UInt64Array,
    max_pieces: int,
    short_seq_prob: float,
    pairs: Pairs,
) -> int:
    """`reference.create_pairs` for each document; returns the number of pairs.

    `counter` is the number of the document's next draw. Draws must happen in the same order and
    number as in the reference, so each branch advances it by exactly the draws that it makes.
    """
    num_documents = len(document_offsets) - 1
    count = 0
    for d in range(num_documents):
        key = keys[d]
        start, stop = document_offsets[d], document_offsets[d + 1]
        target, counter = _target_length(key, 1, max_pieces, short_seq_prob)
        while start < stop:
            end = _chunk_end(sentence_offsets, start, stop, target)
            a_last = end
            if end - start >= 2:
                a_last = start + 1 + below(key, counter, end - start - 1)
                counter += 1
            a_start, a_end = sentence_offsets[start], sentence_offsets[a_last]
            b_start, b_end = a_end, sentence_offsets[end]
            start = end
            is_random = False
            if num_documents == 1:
                if b_start == b_end:
                    a_end = b_start = a_start + (a_end - a_start) // 2
            elif a_last == end or _coin(key, counter):
                # A chunk of one sentence takes no coin: its B is always random.
                counter += a_last != end
                is_random = True
                other = below(key, counter, num_documents - 1)
                other += other >= d  # skips the document itself
                first, last = document_offsets[other], document_offsets[other + 1]
                first += below(key, counter + 1, last - first)
                counter += 2
                last = _chunk_end(sentence_offsets, first, last, target - (a_end - a_start))
                b_start, b_end = sentence_offsets[first], sentence_offsets[last]
                start = a_last  # the sentences that B did not use are put back
            else:
                counter += 1
            if a_start == a_end:
                continue  # half of a single piece is nothing; the reference drops the pair too
            a_start, a_end, b_start, b_end, counter = _truncate(
                a_start, a_end, b_start, b_end, max_pieces, key, counter
            )
            pairs.a_start[count], pairs.a_end[count] = a_start, a_end
            pairs.b_start[count], pairs.b_end[count] = b_start, b_end
            pairs.is_random_next[count] = is_random
            pairs.document[count] = d
            pairs.mask_key[count] = draw(key, counter)
            counter += 1
            count += 1  # never above the number of sentences: `start` advances by one at least
    return count


@inlined
def _coin(key: np.uint64, counter: int) -> bool:
    return uniform(key, counter) < 0.5


@kernel
def _count_segments(
    sentence_offsets: Int64Array,
    document_offsets: Int64Array,
    keys: UInt64Array,
    max_pieces: int,
    short_seq_prob: float,
) -> int:
    """The number of segments that `_cut_segments` cuts; it makes the same draws."""
    count = 0
    for d in range(len(document_offsets) - 1):
        counter = 1
        start = sentence_offsets[document_offsets[d]]
        while start < sentence_offsets[document_offsets[d + 1]]:
            target, counter = _target_length(keys[d], counter, max_pieces, short_seq_prob)
            counter += 1  # the draw of the segment's mask key
            count += 1
            start += target
    return count


@kernel
def _cut_segments(
    sentence_offsets: Int64Array,
    document_offsets: Int64Array,
    keys: UInt64Array,
    max_pieces: int,
    short_seq_prob: float,
    pairs: Pairs,
) -> None:
    """`reference.create_segments` for each document."""
    count = 0
    for d in range(len(document_offsets) - 1):
        counter = 1
        start = sentence_offsets[document_offsets[d]]
        stop = sentence_offsets[document_offsets[d + 1]]
        while start < stop:
            target, counter = _target_length(keys[d], counter, max_pieces, short_seq_prob)
            end = min(start + target, stop)
            pairs.a_start[count], pairs.a_end[count] = start, end
            pairs.b_start[count], pairs.b_end[count] = end, end
            pairs.document[count] = d
            pairs.mask_key[count] = draw(keys[d], counter)
            counter += 1
            count += 1
            start = end


@kernel
def _join(
    pieces: PieceArray,
    pairs: Pairs,
    offsets: Int64Array,
    cls: int,
    sep: int,
    input_ids: PieceArray,
) -> None:
    for e in range(len(offsets) - 1):
        at = offsets[e]
        input_ids[at] = cls
        at += 1
        for p in range(pairs.a_start[e], pairs.a_end[e]):
            input_ids[at] = pieces[p]
            at += 1
        input_ids[at] = sep
        at += 1
        for p in range(pairs.b_start[e], pairs.b_end[e]):
            input_ids[at] = pieces[p]
            at += 1
        if pairs.b_end[e] > pairs.b_start[e]:
            input_ids[at] = sep
