"""Sentences to WordPiece ids in compiled code: what Hugging Face `tokenizers` gives, for many.

A compiled loop cuts sentences into parts that can be tokenized apart, each distinct part has a row
in a table, `tokenizers` is asked once for each row, and another loop copies the ids.

Why the parts can be tokenized apart: a space always ends a word, and an ASCII punctuation mark (or
a Chinese character, where these are split) is always a word by itself, whatever stands beside it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bertdata.byte_table import (
    SHORT,
    ByteArray,
    ByteTable,
    Int32Array,
    Int64Array,
    PackedArray,
    buffers_of,
    pack_byte,
    pack_key,
)
from bertdata.compilation import inlined, kernel
from bertdata.compiled_wordpiece import OTHER, CompiledWordPiece
from bertdata.schema import piece_dtype
from bertdata.tokenization import TokenizationConfig, build_tokenizer
from bertdata.vocabulary import Vocabulary

PieceArray = npt.NDArray[np.unsignedinteger[Any]]

_MOST_PARTS = 100_000  # remembered

_PLAIN, _SPACE, _PUNCTUATION, _OTHER = 0, 1, 2, 3


def _make_kinds() -> ByteArray:
    kinds = np.full(256, _OTHER, np.uint8)
    for byte in range(0x21, 0x7F):
        kinds[byte] = _PLAIN if chr(byte).isalnum() else _PUNCTUATION
    kinds[0x20] = _SPACE
    return kinds


_KINDS = _make_kinds()
_UPPER_TO_LOWER = np.uint8(ord("a") - ord("A"))


@dataclass(frozen=True, slots=True)
class TokenizedSentences:
    """Sentence i has the ids `ids[offsets[i]:offsets[i + 1]]`.

    `ids`: flat, uint16 up to 65,536 pieces, else uint32. `offsets`: int64[n + 1], from 0.
    """

    ids: PieceArray
    offsets: Int64Array

    def __len__(self) -> int:
        return len(self.offsets) - 1


class SentenceTokenizer:
    """Tokenizes many sentences at once, remembering the pieces of parts between calls.

    A call costs a little for itself, so give it thousands of sentences. What is remembered is
    bounded (some tens of MB) and changes no result.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizationConfig) -> None:
        self._config = config
        self._tokenizer = build_tokenizer(vocabulary, config)
        self._tokenizer.encode_special_tokens = True
        self._word_piece = CompiledWordPiece(vocabulary, config.max_word_characters)
        self._dtype = piece_dtype(vocabulary.size)
        self._table = ByteTable(_MOST_PARTS)
        self._pieces: PieceArray = np.empty(0, self._dtype)
        self._offsets: Int64Array = np.zeros(1, np.int64)

    def encode(self, sentences: pa.StringArray) -> TokenizedSentences:
        """The ids of each sentence, without [CLS] and [SEP]: `encode_batch_fast`'s own.

        `sentences`: no nulls; any text, fastest with words that repeat and one space between them.
        """
        if self._table.holds_much:
            self._forget()
        rows, ends = self._find_rows(sentences)
        self._learn()
        offsets = np.zeros(len(ends), np.int64)
        total = _count_pieces(rows, ends, self._offsets, offsets)
        ids = np.empty(total, self._dtype)
        _copy_pieces(rows, self._pieces, self._offsets, ids)
        return TokenizedSentences(ids, offsets)

    def _find_rows(self, sentences: pa.StringArray) -> tuple[Int32Array, Int64Array]:
        """Rows of all parts, and how many the sentences up to each have."""
        data, offsets = buffers_of(sentences)
        text = data[offsets[0] : offsets[-1]].copy()
        if self._config.lowercase:
            _lowercase(text)
        starts, stops = np.empty(len(text), np.int32), np.empty(len(text), np.int32)
        packed = np.empty((len(text), 2), np.uint64)
        ends = np.zeros(len(offsets), np.int64)
        split_chinese = self._config.split_chinese_characters
        count = _find_parts(text, offsets - offsets[0], split_chinese, starts, stops, packed, ends)
        return self._table.find_rows(text, starts[:count], stops[:count], packed[:count]), ends

    def _learn(self) -> None:
        """Find the pieces of parts that are new: of plain words here, of others by `tokenizers`."""
        first = len(self._offsets) - 1
        lengths, ids = self._word_piece.encode(self._table, first)
        others = np.flatnonzero(lengths == OTHER)
        if len(others):
            texts = self._table.keys_from(first).take(pa.array(others)).to_pylist()
            encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            lists = [encoding.ids for encoding in encodings]
            lengths[others] = 0
            places = np.cumsum(lengths)[others]
            lengths[others] = [len(ids_of_part) for ids_of_part in lists]
            flat = list(itertools.chain.from_iterable(lists))
            ids = np.insert(ids, np.repeat(places, lengths[others]), flat)
        self._pieces = np.concatenate([self._pieces, ids.astype(self._dtype)])
        self._offsets = np.append(self._offsets, self._offsets[-1] + np.cumsum(lengths))

    def _forget(self) -> None:
        self._table = ByteTable(_MOST_PARTS)
        self._pieces, self._offsets = self._pieces[:0], self._offsets[:1]


@kernel
def _lowercase(text: ByteArray) -> None:
    """Lower-case all ASCII letters: what stands beside one makes no difference to `tokenizers`."""
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
    packed: PackedArray,
    ends: Int64Array,
) -> int:
    """Where parts start and stop, and what `pack_key` gives for each; how many there are.

    `ends`: how many the sentences up to each have.
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
def _find_part(text: ByteArray, start: int, stop: int, split_chinese: bool) -> tuple[int, Any, Any]:
    """Where the part at `start` ends, and what `pack_key` gives for it."""
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
    if place - start > SHORT:
        first, second = pack_key(text, start, place)
    return place, first, second


@inlined
def _is_chinese(text: ByteArray, place: int) -> bool:
    """Whether a character of the two great Chinese blocks is at `place`; `tokenizers` knows all."""
    if text[place] < 0xE3 or text[place] > 0xE9:
        return False
    code = np.int64(text[place] & 0x0F) << 12 | np.int64(text[place + 1] & 0x3F) << 6
    code |= np.int64(text[place + 2] & 0x3F)
    return bool(0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF)


@kernel
def _count_pieces(
    rows: Int32Array, ends: Int64Array, piece_offsets: Int64Array, offsets: Int64Array
) -> int:
    total = 0
    for sentence in range(len(ends) - 1):
        for number in range(ends[sentence], ends[sentence + 1]):
            row = rows[number]
            total += piece_offsets[row + 1] - piece_offsets[row]
        offsets[sentence + 1] = total
    return total


@kernel
def _copy_pieces(
    rows: Int32Array, pieces: PieceArray, piece_offsets: Int64Array, ids: PieceArray
) -> None:
    at = 0
    for row in rows:
        for place in range(piece_offsets[row], piece_offsets[row + 1]):
            ids[at] = pieces[place]
            at += 1
