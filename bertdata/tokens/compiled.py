"""Sentences to WordPiece ids in compiled code, equal to those of Hugging Face `tokenizers`.

Sentences are cut into parts that can be tokenized independently (`word_parts`), each distinct part
is tokenized once, and a compiled loop copies the ids.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int32Array, Int64Array, PieceArray
from bertdata.kernels.compilation import kernel
from bertdata.storage.schema import piece_dtype
from bertdata.tokens.tokenizer import TokenizationConfig, build_tokenizer
from bertdata.tokens.vocabulary import Vocabulary
from bertdata.tokens.word_parts import PartTable
from bertdata.tokens.wordpiece import OTHER, CompiledWordPiece

_MAX_PARTS = 100_000  # parts whose pieces are remembered


@dataclass(frozen=True, slots=True)
class _TokenizedSentences:
    """Sentence i has the ids `ids[offsets[i]:offsets[i + 1]]`.

    `ids`: flat, uint16 up to 65,536 pieces, otherwise uint32. `offsets`: int64[n + 1], from 0.
    """

    ids: PieceArray
    offsets: Int64Array

    def __len__(self) -> int:
        return len(self.offsets) - 1


class SentenceTokenizer:
    """Tokenizes many sentences at once, remembering the pieces of parts between calls.

    Each call has some overhead, so pass thousands of sentences. The memory is bounded (some tens of
    MB) and does not change results.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizationConfig) -> None:
        self._config = config
        self._tokenizer = build_tokenizer(vocabulary, config)
        self._tokenizer.encode_special_tokens = True
        self._word_piece = CompiledWordPiece(vocabulary, config.max_word_characters)
        self._dtype = piece_dtype(vocabulary.size)
        self._parts = PartTable(config, _MAX_PARTS)
        self._pieces: PieceArray = np.empty(0, self._dtype)
        self._offsets: Int64Array = np.zeros(1, np.int64)

    def encode(self, sentences: pa.StringArray) -> _TokenizedSentences:
        """The ids of each sentence, without [CLS] and [SEP], equal to those of `encode_batch_fast`.

        `sentences`: any text, no nulls; fastest if words repeat, with one space between them.
        """
        if self._parts.table.is_full:
            self._forget()
        rows, ends = self._parts.find_rows(sentences)
        self._learn()
        offsets = np.zeros(len(ends), np.int64)
        total = _count_pieces(rows, ends, self._offsets, offsets)
        ids = np.empty(total, self._dtype)
        _copy_pieces(rows, self._pieces, self._offsets, ids)
        return _TokenizedSentences(ids, offsets)

    def _learn(self) -> None:
        """Find the pieces of new parts: of plain words by ourselves, of others by `tokenizers`."""
        first = len(self._offsets) - 1
        lengths, ids = self._word_piece.encode(self._parts.table, first)
        others = np.flatnonzero(lengths == OTHER)
        if len(others):
            texts = self._parts.table.keys_from(first).take(pa.array(others)).to_pylist()
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
        self._parts = PartTable(self._config, _MAX_PARTS)
        self._pieces, self._offsets = self._pieces[:0], self._offsets[:1]


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
