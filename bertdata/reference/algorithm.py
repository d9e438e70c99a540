"""BERT's algorithm for examples, written to be read; it defines the result of a run.

The algorithm is that of `create_pretraining_data.py` (github.com/google-research/bert; Devlin et
al., 2019, section 3.1 and appendix A.2). Its random source is an argument: with
`OriginalSource(seed)` it makes the original's examples id for id; with
`bertdata.randomness.CounterSource` it defines the examples of a run.

    python -m bertdata.reference --input_file=TEXT --output_file=ARROW --vocab_file=VOCAB
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bertdata.randomness import RandomSource
from bertdata.reference.config import KEEP_SHARE, MASK_SHARE, MaskingConfig, PairingConfig

_Sentence = Sequence[int]
Doc = Sequence[_Sentence]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """What the algorithm needs of a vocabulary.

    `random_ids`: ids from which a random piece is drawn; `continuation[id]`: starts with ##.
    """

    cls: int
    sep: int
    mask: int
    random_ids: Sequence[int]
    continuation: Sequence[bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One example: [CLS] A [SEP] B [SEP] as ids, with the pieces to predict."""

    input_ids: list[int]
    segment_b_start: int
    masked_lm_positions: list[int]
    masked_lm_ids: list[int]
    is_random_next: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two segments; B is empty without next sentence prediction."""

    a: list[int]
    b: list[int]
    is_random_next: bool


class OriginalSource(random.Random):
    """Python's Mersenne Twister: one stream for everything, as in the original."""

    def child(self) -> OriginalSource:
        return self


def create_examples(
    documents: list[Doc],
    dupe_factor: int,
    pairing: PairingConfig,
    masking: MaskingConfig,
    pieces: Pieces,
    rng: RandomSource,
) -> list[Example]:
    """The original's `create_training_instances`; shuffles `documents` in place."""
    rng.shuffle(documents)
    examples = [
        example
        for _ in range(dupe_factor)
        for index in range(len(documents))
        for example in create_document_examples(documents, index, pairing, masking, pieces, rng)
    ]
    rng.shuffle(examples)
    return examples


def create_document_examples(
    documents: Sequence[Doc],
    index: int,
    pairing: PairingConfig,
    masking: MaskingConfig | None,
    pieces: Pieces,
    rng: RandomSource,
) -> Iterator[Example]:
    """One pass over one document; with `masking` None the examples are not masked."""
    make = create_pairs if pairing.next_sentence else create_segments
    # Pairs come one at a time: the original masks each before it draws for the next.
    for pair in make(documents, index, pairing, rng):
        example = join_pair(pair, pieces)
        mask_rng = rng.child()
        yield mask_example(example, masking, pieces, mask_rng) if masking else example


def create_pairs(
    documents: Sequence[Doc], index: int, config: PairingConfig, rng: RandomSource
) -> Iterator[Pair]:
    """Cut a document into chunks of about the target length, and each chunk into A and B.

    The target length is drawn once per document. Half of the chunks, and all of one sentence, get B
    from another document; their unused sentences are put back.
    """
    document = documents[index]
    target = _draw_target_length(config, rng)
    start = 0
    while start < len(document):
        end = _find_chunk_end(document, start, target)
        a_end = start + rng.randint(1, end - start - 1) if end - start >= 2 else end
        a = _join(document[start:a_end])
        if not _has_other_document(documents, config):
            pair = _pair_within(a, _join(document[a_end:end]))
            start = end
        elif a_end == end or rng.random() < 0.5:
            b = _draw_elsewhere(documents, index, target - len(a), config, rng)
            pair = Pair(a, b, True)
            start = a_end
        else:
            pair = Pair(a, _join(document[a_end:end]), False)
            start = end
        if pair.a and pair.b:
            truncate_pair(pair.a, pair.b, config.max_num_pieces, rng)
            yield pair


def create_segments(
    documents: Sequence[Doc], index: int, config: PairingConfig, rng: RandomSource
) -> Iterator[Pair]:
    """Without next sentence prediction: the document's pieces cut into runs of the target length.

    The target length is drawn for each run. (The original has no such mode; runs across sentences
    within a document are DOC-SENTENCES of Liu et al., 2019, section 4.2.)
    """
    text = _join(documents[index])
    start = 0
    while start < len(text):
        target = _draw_target_length(config, rng)
        yield Pair(text[start : start + target], [], False)
        start += target


def _draw_target_length(config: PairingConfig, rng: RandomSource) -> int:
    """The maximum length, or with probability `short_seq_prob` a length from 2 to the maximum."""
    if rng.random() < config.short_seq_prob:
        return rng.randint(2, config.max_num_pieces)
    return config.max_num_pieces


def _find_chunk_end(document: Doc, start: int, target: int) -> int:
    """The end of a chunk: after the sentence with which it reaches the target, or the last one."""
    length = 0
    for i in range(start, len(document)):
        length += len(document[i])
        if length >= target:
            return i + 1
    return len(document)


def _has_other_document(documents: Sequence[Doc], config: PairingConfig) -> bool:
    """Whether there is a document to draw a random B from."""
    return config.original_random_next or len(documents) > 1


def _pair_within(a: list[int], b: list[int]) -> Pair:
    """A pair if no other document exists: a single sentence is cut into halves."""
    if not b:
        a, b = a[: len(a) // 2], a[len(a) // 2 :]
    return Pair(a, b, False)


def _draw_elsewhere(
    documents: Sequence[Doc], index: int, target: int, config: PairingConfig, rng: RandomSource
) -> list[int]:
    """Sentences of another document from a random one on, until they reach the target length."""
    draw = _draw_document_in_ten_tries if config.original_random_next else _draw_other_document
    document = documents[draw(len(documents), index, rng)]
    start = rng.randint(0, len(document) - 1)
    return _join(document[start : _find_chunk_end(document, start, target)])


def _draw_other_document(num_documents: int, index: int, rng: RandomSource) -> int:
    """One of the other documents, each with the same probability."""
    other = rng.randint(0, num_documents - 2)
    return other if other < index else other + 1


def _draw_document_in_ten_tries(num_documents: int, index: int, rng: RandomSource) -> int:
    """Another document, unless all ten draws were this one."""
    for _ in range(10):
        other = rng.randint(0, num_documents - 1)
        if other != index:
            break
    return other


def truncate_pair(a: list[int], b: list[int], max_pieces: int, rng: RandomSource) -> None:
    """Drop pieces of the longer segment (B in a tie), front or back by a coin, to `max_pieces`."""
    while len(a) + len(b) > max_pieces:
        longer = a if len(a) > len(b) else b
        del longer[0 if rng.random() < 0.5 else -1]


def join_pair(pair: Pair, pieces: Pieces) -> Example:
    """[CLS] A [SEP] B [SEP], or [CLS] A [SEP] when B is empty; nothing masked yet."""
    input_ids = [pieces.cls, *pair.a, pieces.sep]
    segment_b_start = len(input_ids)
    if pair.b:
        input_ids += [*pair.b, pieces.sep]
    return Example(
        input_ids=input_ids,
        segment_b_start=segment_b_start,
        masked_lm_positions=[],
        masked_lm_ids=[],
        is_random_next=pair.is_random_next,
    )


def mask_example(
    example: Example, config: MaskingConfig, pieces: Pieces, rng: RandomSource
) -> Example:
    """Hide about `masked_lm_prob` of the pieces: the original's `create_masked_lm_predictions`."""
    candidates = _find_candidates(example, config, pieces)
    rng.shuffle(candidates)
    input_ids = list(example.input_ids)
    positions: list[int] = []
    for position in _choose_positions(candidates, len(input_ids), config):
        input_ids[position] = _replace_piece(input_ids[position], pieces, rng)
        positions.append(position)
    positions.sort()
    return replace(
        example,
        input_ids=input_ids,
        masked_lm_positions=positions,
        masked_lm_ids=[example.input_ids[position] for position in positions],
    )


def _find_candidates(example: Example, config: MaskingConfig, pieces: Pieces) -> list[list[int]]:
    """Positions that may be hidden, each alone, or for whole words with the ## pieces after it."""
    candidates: list[list[int]] = []
    for position, piece in enumerate(example.input_ids):
        if piece in (pieces.cls, pieces.sep):
            continue
        if config.whole_word_mask and candidates and pieces.continuation[piece]:
            candidates[-1].append(position)
        else:
            candidates.append([position])
    return candidates


def _choose_positions(
    candidates: list[list[int]], length: int, config: MaskingConfig
) -> Iterator[int]:
    """Positions in the candidates' order; a candidate that exceeds the limit is skipped."""
    # Python rounds halves to even, and so does the original.
    limit = min(config.max_predictions_per_seq, max(1, round(length * config.masked_lm_prob)))
    taken = 0
    for candidate in candidates:
        if taken + len(candidate) <= limit:
            taken += len(candidate)
            yield from candidate


def _replace_piece(piece: int, pieces: Pieces, rng: RandomSource) -> int:
    """80% [MASK], 10% the piece itself, 10% any piece of the vocabulary."""
    if rng.random() < MASK_SHARE:
        return pieces.mask
    if rng.random() < KEEP_SHARE:
        return piece
    return pieces.random_ids[rng.randint(0, len(pieces.random_ids) - 1)]


def _join(sentences: Doc) -> list[int]:
    """All pieces of some sentences, in a new list."""
    return [piece for sentence in sentences for piece in sentence]
