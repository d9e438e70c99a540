"""Parts of sentences that can be tokenized independently; each distinct one has a row in a table.

This is safe because a space always ends a word, and an ASCII punctuation mark (or a Chinese
character, if these are split) is always a word of its own, whatever is next to it. A part without
these may still be several words.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bertdata.arrays import ByteArray, Int32Array, Int64Array, UInt64Array
from bertdata.kernels.byte_table import SHORT, ByteTable, buffers_of, pack_byte, pack_key
from bertdata.kernels.compilation import inlined, kernel
from bertdata.tokens.tokenizer import TokenizationConfig

_TEXT_BYTES = 8 << 20  # of a usual call; buffers for more are released afterwards

_PLAIN, _SPACE, _PUNCTUATION, _OTHER = 0, 1, 2, 3


def _make_kinds() -> ByteArray:
    kinds = np.full(256, _OTHER, np.uint8)
    for byte in range(0x21, 0x7F):
        kinds[byte] = _PLAIN if chr(byte).isalnum() else _PUNCTUATION
    kinds[0x20] = _SPACE
    return kinds


_KINDS = _make_kinds()
_UPPER_TO_LOWER = np.uint8(ord("a") - ord("A"))


class PartTable:
    """`table`: the distinct parts seen so far, with ASCII letters in lower case if text is."""

    def __init__(self, config: TokenizationConfig, capacity: int) -> None:
        self._config = config
        self.table = ByteTable(capacity)
        # Reused between calls: fresh buffers would touch new pages each time. Pages that are never
        # written take no memory.
        self._room = _make_room(_TEXT_BYTES)

    def find_rows(self, sentences: pa.StringArray) -> tuple[Int32Array, Int64Array]:
        """Rows of all parts, and the number of parts before each sentence (int64[n + 1]).

        `sentences`: any text, no nulls.
        """
        data, offsets = buffers_of(sentences)
        text = data[offsets[0] : offsets[-1]].copy()
        if self._config.lowercase:
            _lowercase(text)
        starts, stops, packed = self._room if len(text) <= _TEXT_BYTES else _make_room(len(text))
        ends = np.zeros(len(offsets), np.int64)
        split_chinese = self._config.split_chinese_characters
        count = _find_parts(text, offsets - offsets[0], split_chinese, starts, stops, packed, ends)
        return self.table.find_rows(text, starts[:count], stops[:count], packed[:count]), ends


def _make_room(num_bytes: int) -> tuple[Int32Array, Int32Array, UInt64Array]:
    """Buffers for the starts, stops and packed keys of the parts of so much text."""
    starts, stops = np.empty((2, num_bytes), np.int32)
    return starts, stops, np.empty((num_bytes, 2), np.uint64)


@kernel
def _lowercase(text: ByteArray) -> None:
    """Lower-case all ASCII letters: in `tokenizers` this does not depend on their neighbours."""
    for place in range(len(text)):
        if ord("A") <= text[place] <= ord("Z"):
            text[place] += _UPPER_TO_LOWER


@kernel
def _find_parts(
    text: ByteArray,
    offsets: Int32Array,
    split_chinese: bool,
    starts: Int32Array,
    stops: Int32Array,
    packed: UInt64Array,
    ends: Int64Array,
) -> int:
    """Find the parts and the result of `pack_key` for each; returns their number.

    `ends`: filled with the number of parts before each sentence. There is room for a part per byte,
    and each part has at least one, so `count` stays below the length of the buffers.
    """
    count = 0
    for sentence in range(len(offsets) - 1):
        place, stop = offsets[sentence], offsets[sentence + 1]
        while place < stop:
            if _KINDS[text[place]] == _SPACE:
                place += 1
                continue
            end, first, second = _find_part(text, place, stop, split_chinese)
            starts[count], stops[count] = place, end
            packed[count, 0], packed[count, 1] = first, second
            count += 1
            place = end
        ends[sentence + 1] = count
    return count


@inlined
def _find_part(
    text: ByteArray, start: int, stop: int, split_chinese: bool
) -> tuple[int, np.uint64, np.uint64]:
    """The end of the part at `start`, and the result of `pack_key` for it."""
    kind = _KINDS[text[start]]
    if kind == _PUNCTUATION:
        return start + 1, np.uint64(text[start]), np.uint64(0)
    if kind == _OTHER and split_chinese and _is_chinese(text, start):
        first, second = pack_key(text, start, start + 3)
        return start + 3, first, second
    first, second = np.uint64(text[start]), np.uint64(0)
    place = start + 1
    while place < stop:
        kind = _KINDS[text[place]]
        if kind in (_SPACE, _PUNCTUATION):
            break
        if kind == _OTHER and split_chinese and _is_chinese(text, place):
            break
        first, second = pack_byte(first, second, text[place])
        place += 1
    # Packing byte by byte is only valid for short keys; a long one is hashed instead.
    if place - start > SHORT:
        first, second = pack_key(text, start, place)
    return place, first, second


@inlined
def _is_chinese(text: ByteArray, place: int) -> bool:
    """Whether a character of the two large Chinese blocks starts at `place`.

    Rarer blocks need no cut here: `tokenizers` splits at all of them. Reading two bytes ahead is
    safe, because only the lead byte of a three-byte character is from 0xE3 to 0xE9.
    """
    if text[place] < 0xE3 or text[place] > 0xE9:
        return False
    code = np.int64(text[place] & 0x0F) << 12 | np.int64(text[place + 1] & 0x3F) << 6
    code |= np.int64(text[place + 2] & 0x3F)
    return bool(0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF)
