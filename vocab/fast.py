"""The quick WordPiece trainer: equal to `vocab.wordpiece` piece for piece, at a cost that follows
what each merge changes.

All words lie in one flat array of characters, a border before, between and after them. A piece is
written at the place of its first and of its last character; what is between them is INSIDE. So the
piece after one that starts at p is at p + its length, the piece before it ends at p - 1, and a
merge is four writes, made for all its places at once. Beside the text are kept: the count of every
pair, a heap of pairs (outdated entries are seen through when popped), and for each piece the places
where it starts (outdated ones are dropped when next read).
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.vocabulary import CONTINUATION_PREFIX, Vocabulary
from vocab.config import VocabConfig
from vocab.wordpiece import base_pieces, finish, join_pair

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

_BORDER = -1
_INSIDE = -2
_NUM_CODE_POINTS = 0x110000
_PAIR_SHIFT = 32


def train(counts: pa.Table, config: VocabConfig) -> Vocabulary:
    """Make a vocabulary of exactly `config.size` pieces; see `vocab.wordpiece.train`."""
    characters, lengths, frequencies = _short_words(counts, config.max_word_characters)
    alphabet = _frequent_characters(characters, np.repeat(frequencies, lengths), config)
    kept = _words_within(alphabet, characters, lengths)
    characters = characters[np.repeat(kept, lengths)]
    names, codes = _first_pieces(characters, lengths[kept])
    del characters
    base = base_pieces(config, map(chr, alphabet), filter(_is_continuing, names))
    if not names:
        return finish(base, [], config)
    text = _Text(codes, lengths[kept], frequencies[kept], len(names))
    merged = _learn_merges(text, names, config.size - len(base), config.min_frequency)
    return finish(base, merged, config)


def _learn_merges(text: _Text, names: list[str], room: int, min_frequency: int) -> list[str]:
    """Up to `room` new pieces; `names` grows by them."""
    queue = _PairQueue(names, min_frequency)
    queue.update(*text.count_pairs())
    num_first, wanted = len(names), len(names) + room
    while len(names) < wanted and (pair := queue.pop()) is not None:
        left, right = _split_key(pair)
        names.append(join_pair((names[left], names[right])))
        queue.update(*text.merge(left, right))
    return names[num_first:]


class _PairQueue:
    """The count of every pair, and which is next: highest count, then smallest strings.

    A pair is an integer: id of the left piece times 2**32, plus id of the right. Its count rises
    once, when the younger of its pieces is made, and from then on can only fall: a pair born below
    `min_frequency` is never needed.
    """

    def __init__(self, names: list[str], min_frequency: int) -> None:
        self._names = names
        self._min_frequency = min_frequency
        self._counts: dict[int, int] = {}
        self._heap: list[tuple[int, str, str, int]] = []

    def update(self, pairs: Int64Array, changes: Int64Array) -> None:
        """Change the counts of distinct pairs. One that fell keeps its place until popped."""
        counts = self._counts
        for pair, change in zip(pairs.tolist(), changes.tolist()):
            if pair in counts:
                counts[pair] += change
            elif change >= self._min_frequency:
                left, right = _split_key(pair)
                counts[pair] = change
                heapq.heappush(self._heap, (-change, self._names[left], self._names[right], pair))

    def pop(self) -> int | None:
        """The next pair, or None when none is as frequent as `min_frequency`."""
        while self._heap:
            negative, left, right, pair = heapq.heappop(self._heap)
            count = self._counts[pair]
            if self._min_frequency <= count < -negative:
                heapq.heappush(self._heap, (-count, left, right, pair))
                continue
            del self._counts[pair]
            if count == -negative:
                return pair
        return None


class _Text:
    """All words as pieces, laid out as the module docstring says.

    `codes`: the first pieces of the words in a row, ids below `num_pieces`; `lengths`: characters
    of each word; `frequencies`: how often each word occurs.
    """

    def __init__(
        self, codes: Int32Array, lengths: Int64Array, frequencies: Int64Array, num_pieces: int
    ) -> None:
        words = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        places = np.arange(1, len(codes) + 1, dtype=np.int32) + words
        size = len(codes) + len(lengths) + 1
        self._pieces = np.full(size, _BORDER, dtype=np.int32)
        self._pieces[places] = codes
        self._weights = np.zeros(size, dtype=np.int64)
        self._weights[places] = frequencies[words]
        del words  # millions of words take as much memory as there is text to merge
        self._lengths = [1] * num_pieces
        small = codes.astype(np.min_scalar_type(num_pieces))  # numpy sorts these by radix
        order = places[np.argsort(small, kind="stable")]
        bounds = np.cumsum(np.bincount(codes, minlength=num_pieces))
        self._starts: list[Int32Array] = np.split(order, bounds[:-1])

    def count_pairs(self) -> tuple[Int64Array, Int64Array]:
        """Every pair, and how often it occurs."""
        pairs, totals = [], []
        for left, starts in enumerate(self._starts):
            total = np.zeros(len(self._starts), dtype=np.int64)
            # A border weighs nothing, so it does not matter where it is added.
            np.add.at(total, self._pieces[starts + 1], self._weights[starts + 1])
            present = np.flatnonzero(total)
            pairs.append(present + (left << _PAIR_SHIFT))
            totals.append(total[present])
        return np.concatenate(pairs), np.concatenate(totals)

    def merge(self, left: int, right: int) -> tuple[Int64Array, Int64Array]:
        """Make the pair the next piece; the pairs whose counts change, and by how much."""
        new = len(self._starts)
        starts = self._find(left, right)
        middles = starts + self._lengths[left]
        ends = middles + self._lengths[right]
        # Where one merged pair follows another, what is between them is counted once.
        last = np.ones(len(starts), dtype=np.bool_)
        np.not_equal(ends[:-1], starts[1:], out=last[:-1])
        before, after = starts - 1, ends[last]
        neighbours = np.concatenate([before, after])
        weights = self._weights[neighbours]
        lost = self._pairs_with(neighbours, len(before), left, right)
        self._write(starts, middles, ends, new)
        gained = self._pairs_with(neighbours, len(before), new, new)
        self._starts.append(starts)
        self._lengths.append(self._lengths[left] + self._lengths[right])
        return _sum_by_key(np.concatenate([lost, gained]), np.concatenate([-weights, weights]))

    def _find(self, left: int, right: int) -> Int32Array:
        """The places, ascending, where the pair starts; of overlapping ones every other."""
        pieces, step = self._pieces, self._lengths[left]
        if len(self._starts[left]) <= len(self._starts[right]):
            starts = self._starts_of(left)
            starts = starts[pieces[starts + step] == right]
        else:
            middles = self._starts_of(right)
            starts = middles[pieces[middles - 1] == left] - step
        return _every_other(starts, step) if left == right else starts

    def _starts_of(self, piece: int) -> Int32Array:
        """Where a piece starts, ascending.

        A place where it started once and that now reads the same is a start still: as an end it
        would belong to a piece that began before it, so a longer one.
        """
        known = self._starts[piece]
        starts: Int32Array = known[self._pieces[known] == piece]
        self._starts[piece] = starts
        return starts

    def _pairs_with(
        self, neighbours: Int32Array, num_before: int, first: int, last: int
    ) -> Int64Array:
        """Pairs (neighbour, first) at the `num_before` first places, (last, neighbour) at others.

        A border makes a pair that no pieces make, and weighs nothing.
        """
        keys = self._pieces[neighbours].astype(np.int64)
        keys[:num_before] <<= _PAIR_SHIFT
        keys[:num_before] += first
        keys[num_before:] += last << _PAIR_SHIFT
        return keys

    def _write(self, starts: Int32Array, middles: Int32Array, ends: Int32Array, new: int) -> None:
        # First and last place of a piece can be one, so the order of these matters.
        self._pieces[middles - 1] = _INSIDE
        self._pieces[middles] = _INSIDE
        self._pieces[starts] = new
        self._pieces[ends - 1] = new


def _short_words(
    counts: pa.Table, max_characters: int
) -> tuple[Int32Array, Int64Array, Int64Array]:
    """Words of 1 to `max_characters`: all their code points, the length and frequency of each."""
    lengths = pc.utf8_length(counts["word"])
    short = pc.and_(pc.greater(lengths, 0), pc.less_equal(lengths, max_characters))
    table = counts.filter(short)
    words = table["word"].combine_chunks()
    in_one = pa.ListArray.from_arrays(pa.array([0, len(words)], pa.int32()), words)
    text = pc.binary_join(in_one, "")[0].as_py()
    code_points = np.frombuffer(text.encode("utf-32-le"), dtype=np.int32)
    return (
        code_points,
        lengths.filter(short).to_numpy().astype(np.int64),
        table["count"].to_numpy(),
    )


def _frequent_characters(
    code_points: Int32Array, frequencies: Int64Array, config: VocabConfig
) -> Int64Array:
    """The most frequent code points, ties to the smaller; `frequencies` of each character."""
    totals = np.zeros(_NUM_CODE_POINTS, dtype=np.int64)
    np.add.at(totals, code_points, frequencies)
    present = np.flatnonzero(totals)
    by_frequency = np.argsort(-totals[present], kind="stable")
    return present[by_frequency[: config.alphabet_limit]]


def _words_within(
    alphabet: Int64Array, code_points: Int32Array, lengths: Int64Array
) -> npt.NDArray[np.bool_]:
    """bool[words]: whether all characters of the word are in the alphabet."""
    known = np.zeros(_NUM_CODE_POINTS, dtype=np.bool_)
    known[alphabet] = True
    if not len(lengths):
        return np.ones(0, dtype=np.bool_)
    word_starts = np.cumsum(lengths) - lengths
    return np.logical_and.reduceat(known[code_points], word_starts)


def _first_pieces(code_points: Int32Array, lengths: Int64Array) -> tuple[list[str], Int32Array]:
    """The names of the pieces that words start as, and the id of each character's piece."""
    continuing = np.ones(len(code_points), dtype=np.int32)
    continuing[np.cumsum(lengths) - lengths] = 0
    keys = code_points * 2 + continuing
    ids = np.zeros(2 * _NUM_CODE_POINTS, dtype=np.int32)
    ids[keys] = 1
    present = np.flatnonzero(ids)
    ids[present] = np.arange(len(present))
    names = [(CONTINUATION_PREFIX if key & 1 else "") + chr(key >> 1) for key in present.tolist()]
    return names, ids[keys]


def _is_continuing(name: str) -> bool:
    return len(name) > 1


def _every_other(starts: Int32Array, step: int) -> Int32Array:
    """The 1st, 3rd, 5th… of each run of starts that are `step` apart."""
    begins_run = np.ones(len(starts), dtype=np.bool_)
    np.not_equal(np.diff(starts), step, out=begins_run[1:])
    index = np.arange(len(starts))
    run_begin = np.maximum.accumulate(np.where(begins_run, index, 0))
    chosen: Int32Array = starts[(index - run_begin) % 2 == 0]
    return chosen


def _split_key(pair: int) -> tuple[int, int]:
    return pair >> _PAIR_SHIFT, pair & ((1 << _PAIR_SHIFT) - 1)


def _sum_by_key(keys: Int64Array, values: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The distinct keys, and the sum of the values of each."""
    order = np.argsort(keys)
    ordered = keys[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[begins], np.add.reduceat(values[order], begins)
