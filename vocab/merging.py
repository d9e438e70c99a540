"""All words of a text as pieces in one array, where the cost of a merge is what it changes.

The characters of all words are in one array, with a border before, between and after them. A piece
is written at the places of its first and last character; places between them are INSIDE. So the
piece after one that starts at p starts at p + its length, the piece before it ends at p - 1, and a
merge is four writes. The starts of each piece are kept in ascending order; outdated ones are
dropped when they are next read.
"""

from __future__ import annotations

import numpy as np

from bertdata.arrays import Int32Array, Int64Array
from bertdata.kernels.compilation import kernel
from vocab.pair_counts import PAIR_SHIFT

_BORDER = -1
_INSIDE = -2


class PieceText:
    """Words as pieces.

    `codes`: the first pieces of all words, flat, ids below `num_pieces`; `lengths`: characters of
    each word; `frequencies`: occurrences of each word; `room`: maximum number of merges.
    """

    def __init__(
        self,
        codes: Int32Array,
        lengths: Int64Array,
        frequencies: Int64Array,
        *,
        num_pieces: int,
        room: int,
    ) -> None:
        words = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        places = np.arange(1, len(codes) + 1, dtype=np.int32) + words
        size = len(codes) + len(lengths) + 1
        self._pieces = np.full(size, _BORDER, dtype=np.int32)
        self._pieces[places] = codes
        self._weights = np.zeros(size, dtype=np.int64)
        self._weights[places] = frequencies[words]
        del words  # for millions of words as large as the text itself
        # Each merge leaves at least one piece fewer in the text, so this bounds their number.
        self._num_pieces, capacity = num_pieces, num_pieces + min(room, len(codes))
        self._lengths = np.ones(capacity, dtype=np.int64)
        # Each merge appends as many starts as pieces disappear: in all no more than there were.
        self._starts = np.empty(2 * len(codes), dtype=np.int32)
        small = codes.astype(np.min_scalar_type(num_pieces))  # numpy sorts these by radix
        self._starts[: len(codes)] = places[np.argsort(small, kind="stable")]
        # Starts of piece i: `starts[spans[i, 0]:spans[i, 1]]`.
        self._spans = np.zeros((capacity, 2), dtype=np.int64)
        self._spans[:num_pieces, 1] = np.cumsum(np.bincount(codes, minlength=num_pieces))
        self._spans[1:num_pieces, 0] = self._spans[: num_pieces - 1, 1]
        self._end = len(codes)
        self._totals = np.zeros(2 * capacity, dtype=np.int64)
        self._lost, self._gained, self._amounts = np.empty((3, 2 * capacity), dtype=np.int64)

    def count_pairs(self) -> tuple[Int64Array, Int64Array]:
        """Each pair of the first pieces, and its number of occurrences."""
        pairs, totals = [], []
        for left, (begin, end) in enumerate(self._spans[: self._num_pieces].tolist()):
            after = self._starts[begin:end] + 1
            total = np.zeros(self._num_pieces, dtype=np.int64)
            # A border has weight 0, so it does not matter to which piece it is added.
            np.add.at(total, self._pieces[after], self._weights[after])
            present = np.flatnonzero(total)
            pairs.append(present + (left << PAIR_SHIFT))
            totals.append(total[present])
        return np.concatenate(pairs), np.concatenate(totals)

    def merge(self, left: int, right: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Make a pair the next piece: (pairs lost, pairs gained in their place, how many of each).

        The gained pairs are new and distinct. The next merge overwrites the returned arrays.
        """
        new, begin = self._num_pieces, self._end
        self._num_pieces += 1
        self._lengths[new] = self._lengths[left] + self._lengths[right]
        text = self._pieces, self._lengths, self._starts
        self._end = _join(*text, self._spans, begin, left, right, new)
        self._spans[new] = begin, self._end
        found = _count_neighbours(
            self._pieces, self._weights, self._starts[begin : self._end], self._lengths[new],
            left, right, new, self._totals, self._lost, self._gained, self._amounts,
        )  # fmt: skip
        return self._lost[:found], self._gained[:found], self._amounts[:found]


@kernel
def _join(
    pieces: Int32Array,
    lengths: Int64Array,
    starts: Int32Array,
    spans: Int64Array,
    end: int,
    left: int,
    right: int,
    new: int,
) -> int:
    """Join the pair at all its places, from the left; returns the end of the new piece's starts.

    The new starts are written from `end` on. The loop goes through the starts of the rarer piece
    and keeps those that were not joined: `kept` never passes `number`, so it overwrites only
    starts that were read.

    A place where a piece once started and that still reads the same is still a start: if it were
    the end of a piece, that piece would start earlier, so be longer, and be another piece.
    """
    by_left = spans[left, 1] - spans[left, 0] <= spans[right, 1] - spans[right, 0]
    piece = left if by_left else right
    kept = spans[piece, 0]
    for number in range(spans[piece, 0], spans[piece, 1]):
        place = starts[number]
        if pieces[place] != piece:
            continue
        start = place if by_left else place - lengths[left]
        middle = place + lengths[left] if by_left else place
        if pieces[middle if by_left else middle - 1] == (right if by_left else left):
            # A piece of one character has its first and last place in common: the order matters.
            pieces[middle - 1] = _INSIDE
            pieces[middle] = _INSIDE
            pieces[start] = new
            pieces[start + lengths[new] - 1] = new
            starts[end] = start
            end += 1
        else:
            starts[kept] = place
            kept += 1
    spans[piece, 1] = kept
    return end


@kernel
def _count_neighbours(
    pieces: Int32Array,
    weights: Int64Array,
    starts: Int32Array,
    length: int,
    left: int,
    right: int,
    new: int,
    totals: Int64Array,
    lost: Int64Array,
    gained: Int64Array,
    amounts: Int64Array,
) -> int:
    """Find which pairs with the new piece's neighbours replace which; returns their number.

    `totals`: one sum per piece before the new one, then one per piece after it; all 0 before and
    after. `amounts` first holds, for each pair found, the place of its sum in `totals`, so that
    only those are read and cleared at the end. Reading next to a piece is safe: there is a border
    before the first word and after the last one.
    """
    found, capacity = 0, len(totals) // 2
    for number in range(len(starts)):
        start = starts[number]
        before, after = pieces[start - 1], pieces[start + length]
        if before != _BORDER:
            if totals[before] == 0:
                # If one new piece follows another, a right was before a left.
                old = right if before == new else before
                lost[found] = (old << PAIR_SHIFT) + left
                gained[found] = (before << PAIR_SHIFT) + new
                amounts[found] = before
                found += 1
            totals[before] += weights[start]
        if after != _BORDER and after != new:
            if totals[capacity + after] == 0:
                lost[found] = (right << PAIR_SHIFT) + after
                gained[found] = (new << PAIR_SHIFT) + after
                amounts[found] = capacity + after
                found += 1
            totals[capacity + after] += weights[start]
    for number in range(found):
        slot = amounts[number]
        amounts[number], totals[slot] = totals[slot], 0
    return found
