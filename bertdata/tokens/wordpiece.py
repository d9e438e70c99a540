"""WordPiece for words of ASCII letters and digits, compiled: greedy, the longest piece first.

Equal to `tokenizers.models.WordPiece` (Devlin et al. 2019; `WordpieceTokenizer` of the original),
without a call per word.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bertdata.arrays import ByteArray, Int64Array, UInt64Array, offsets_of
from bertdata.kernels.byte_table import ByteTable, find_row
from bertdata.kernels.compilation import inlined, kernel
from bertdata.tokens.vocabulary import CONTINUATION_PREFIX, Vocabulary

OTHER = -1  # in place of a length: not a word of ASCII letters and digits

_IS_PLAIN = np.array([chr(byte).isalnum() and byte < 128 for byte in range(256)])


class CompiledWordPiece:
    """The pieces of a vocabulary: those that begin a word, and those that continue one."""

    def __init__(self, vocabulary: Vocabulary, max_word_characters: int) -> None:
        prefix = CONTINUATION_PREFIX
        beginnings = {t: i for t, i in vocabulary.ids.items() if not t.startswith(prefix)}
        continuations = {
            t.removeprefix(prefix): i for t, i in vocabulary.ids.items() if t.startswith(prefix)
        }
        self._tables = [_make_table(pieces) for pieces in (beginnings, continuations)]
        self._longest = max(len(token.encode()) for token in vocabulary.tokens)
        self._max_word_characters = max_word_characters
        self._unk = vocabulary.special.unk

    def encode(self, words: ByteTable, first: int) -> tuple[Int64Array, Int64Array]:
        """(number of pieces of each word from row `first` on, or OTHER; the ids of all, flat)."""
        keys, starts, _ = words.arrays
        starts = starts[first : words.num_rows + 1]
        lengths = np.empty(len(starts) - 1, np.int64)
        ids = np.empty(int(starts[-1] - starts[0]), np.int64)
        (beginnings, begin_ids), (continuations, continue_ids) = self._tables
        total = _encode(
            keys, starts, *beginnings.arrays, begin_ids, *continuations.arrays, continue_ids,
            self._longest, self._max_word_characters, self._unk, lengths, ids,
        )  # fmt: skip
        return lengths, ids[:total]


def _make_table(pieces: Mapping[str, int]) -> tuple[ByteTable, Int64Array]:
    """A table of pieces, and the id of each of its rows."""
    encoded = [piece.encode() for piece in pieces]
    offsets = offsets_of([len(piece) for piece in encoded]).astype(np.int32)
    table = ByteTable(len(pieces))
    data = np.frombuffer(b"".join(encoded), np.uint8)
    table.find_rows(data, offsets[:-1], offsets[1:])
    return table, np.array(list(pieces.values()), np.int64)


@kernel
def _encode(
    keys: ByteArray,
    starts: Int64Array,
    begin_keys: ByteArray,
    begin_starts: Int64Array,
    begin_slots: UInt64Array,
    begin_ids: Int64Array,
    continue_keys: ByteArray,
    continue_starts: Int64Array,
    continue_slots: UInt64Array,
    continue_ids: Int64Array,
    longest: int,
    max_word_characters: int,
    unk: int,
    lengths: Int64Array,
    ids: Int64Array,
) -> int:
    """Find the number of pieces of each word and their ids, flat; returns the number of ids.

    `ids` has room for one id per byte, and each piece covers at least one byte.
    """
    total = 0
    for word in range(len(starts) - 1):
        start, stop = starts[word], starts[word + 1]
        if not _is_plain(keys, start, stop):
            lengths[word] = OTHER
            continue
        before, place = total, start
        while place < stop and stop - start <= max_word_characters:
            # Longest match first: `end` moves back until [place, end) is a piece.
            end = min(stop, place + longest)
            found = -1
            while end > place and found < 0:
                if place == start:
                    row = find_row(begin_keys, begin_starts, begin_slots, keys, place, end)
                    found = begin_ids[row] if row >= 0 else -1
                else:
                    row = find_row(continue_keys, continue_starts, continue_slots, keys, place, end)
                    found = continue_ids[row] if row >= 0 else -1
                end -= 1  # also after a match, so that the piece ends at end + 1
            if found < 0:
                break
            ids[total] = found
            total, place = total + 1, end + 1
        if place < stop:
            # Too long, or no piece begins the rest: the whole word is unknown.
            ids[before] = unk
            total = before + 1
        lengths[word] = total - before
    return total


@inlined
def _is_plain(keys: ByteArray, start: int, stop: int) -> bool:
    for place in range(start, stop):  # noqa: SIM110 (compiled code knows no generators)
        if not _IS_PLAIN[keys[place]]:
            return False
    return True
