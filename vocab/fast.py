"""The fast WordPiece trainer: the same pieces as `vocab.wordpiece`, but the cost of a merge is
proportional to what it changes.

The text (`vocab.merging`) returns which pairs a merge made rarer and which it created; a heap
returns the next pair, and its outdated entries are recognised when they are popped.
"""

from __future__ import annotations

import heapq

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import BoolArray, Int32Array, Int64Array
from bertdata.tokens.vocabulary import CONTINUATION_PREFIX, Vocabulary
from vocab.config import VocabConfig
from vocab.merging import PieceText
from vocab.pair_counts import PairCounts, split_pair
from vocab.wordpiece import base_pieces, finish, join_pair

_Entry = tuple[int, str, str, int]  # negative count, both pieces, the pair

_FIRST_BAR = 1 << 62
_NUM_CODE_POINTS = 0x110000


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
    room = config.size - len(base)
    text = PieceText(codes, lengths[kept], frequencies[kept], num_pieces=len(names), room=room)
    merged = _learn_merges(text, names, room, config.min_frequency)
    return finish(base, merged, config)


def _learn_merges(text: PieceText, names: list[str], room: int, min_frequency: int) -> list[str]:
    """Up to `room` new pieces; `names` grows by them."""
    queue = _PairQueue(names, min_frequency)
    queue.insert(*text.count_pairs())
    num_first, wanted = len(names), len(names) + room
    while len(names) < wanted and (pair := queue.pop()) is not None:
        left, right = split_pair(pair)
        names.append(join_pair((names[left], names[right])))
        lost, gained, amounts = text.merge(left, right)
        queue.subtract(lost, amounts)
        queue.insert(gained, amounts)
    return names[num_first:]


class _PairQueue:
    """The next pair to merge: the one with the highest count, then with the smallest strings.

    The count of a pair is set once, when the younger of its pieces is made, and can then only fall:
    a pair that starts below `min_frequency` is never needed. The heap holds the pairs whose counts
    reach a bar, which is lowered when the heap is empty: most pairs never enter it.
    """

    def __init__(self, names: list[str], min_frequency: int) -> None:
        self._names = names
        self._min_frequency = min_frequency
        self._counts = PairCounts()
        self._heap: list[_Entry] = []
        self._bar = _FIRST_BAR

    def insert(self, pairs: Int64Array, counts: Int64Array) -> None:
        """Add new pairs."""
        frequent = counts >= self._min_frequency
        pairs, counts = pairs[frequent], counts[frequent]
        self._counts.insert(pairs, counts)
        high = counts >= self._bar
        for pair, count in zip(pairs[high].tolist(), counts[high].tolist()):
            heapq.heappush(self._heap, self._entry(pair, count))

    def subtract(self, pairs: Int64Array, amounts: Int64Array) -> None:
        """Lower the counts of pairs; their entries in the heap are corrected when popped."""
        self._counts.subtract(pairs, amounts)

    def pop(self) -> int | None:
        """The next pair, or None if none is as frequent as `min_frequency`."""
        while self._heap or self._lower_bar():
            negative, _, _, pair = heapq.heappop(self._heap)
            count = self._counts[pair]
            if count == -negative:
                self._counts.remove(pair)
                return pair
            if count >= self._bar:
                heapq.heappush(self._heap, self._entry(pair, count))
        return None

    def _lower_bar(self) -> bool:
        """Refill the empty heap; returns False if no pair is left."""
        while not self._heap and self._bar > self._min_frequency:
            self._bar = max(self._bar // 2, self._min_frequency)
            pairs, counts = self._counts.at_least(self._bar)
            self._heap = [*map(self._entry, pairs.tolist(), counts.tolist())]
            heapq.heapify(self._heap)
        return bool(self._heap)

    def _entry(self, pair: int, count: int) -> _Entry:
        left, right = split_pair(pair)
        return -count, self._names[left], self._names[right], pair


def _short_words(
    counts: pa.Table, max_characters: int
) -> tuple[Int32Array, Int64Array, Int64Array]:
    """The words of 1 to `max_characters`: all code points, then length and frequency of each."""
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


def _words_within(alphabet: Int64Array, code_points: Int32Array, lengths: Int64Array) -> BoolArray:
    """bool[words]: whether all characters of the word are in the alphabet."""
    known = np.zeros(_NUM_CODE_POINTS, dtype=np.bool_)
    known[alphabet] = True
    if not len(lengths):
        return np.ones(0, dtype=np.bool_)
    word_starts = np.cumsum(lengths) - lengths
    return np.logical_and.reduceat(known[code_points], word_starts)


def _first_pieces(code_points: Int32Array, lengths: Int64Array) -> tuple[list[str], Int32Array]:
    """The names of the first pieces of words, and for each character the id of its piece."""
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
