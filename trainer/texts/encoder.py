"""Texts to padded batches of ids: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].

Texts that are too long are cut at their end. Of a pair the longer one loses its last piece first,
and B if both are equally long, as in the original's `_truncate_seq_pair`.

Shapes: B batch, L longest text of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Encoding
from torch import Tensor

from bertdata.arrays import Int64Array, pad_rows, places_within
from bertdata.errors import ConfigError
from bertdata.notices import warn
from bertdata.storage.locations import Location
from bertdata.tokens.tokenizer_folder import FolderTokenizer, read_tokenizer
from bertdata.tokens.vocabulary import CLS, PAD, SEP, UNK
from trainer.shape import ModelConfig

_SMALLEST_LENGTH = 4  # [CLS], a piece of A, [SEP], [SEP]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedText:
    """One text or pair as ids, with [CLS] and [SEP].

    `segment_b_start`: where B begins; the length if there is no B. `num_cut`: pieces that were cut
    off. `word_starts`: for a text given as words, the place of each word's first piece; words that
    were cut off have none.
    """

    ids: list[int]
    segment_b_start: int
    num_cut: int
    word_starts: list[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBatch:
    """Padded ids on a device. `real_BL`: False on padding; None if there is no padding."""

    input_ids_BL: Tensor
    token_type_ids_BL: Tensor
    real_BL: Tensor | None


class TextEncoder:
    """Encodes texts with the tokenizer of a model's folder.

    `max_seq_length`: in pieces; or the maximum that the folder names, if that is lower.
    Warns of settings in the folder that are probably mistakes.

    Raises VocabularyError if the folder has no tokenizer, ConfigError if the length is below 4, or
    if the model, of the given shape, has too few embeddings for its pieces.
    """

    def __init__(self, folder: Location, max_seq_length: int, shape: ModelConfig) -> None:
        if max_seq_length < _SMALLEST_LENGTH:
            raise ConfigError(
                f"the model of {folder} reads texts of {max_seq_length} pieces; the minimum is "
                f"{_SMALLEST_LENGTH}"
            )
        self._shape = shape
        self._folder = open_tokenizer(folder, shape)
        self._tokenizer = self._folder.tokenizer
        longest = self._folder.settings.max_length or max_seq_length
        self.max_seq_length = max(_SMALLEST_LENGTH, min(max_seq_length, longest))
        self.pad_id = self._folder.special_id(PAD)
        self._unk, self._cls, self._sep = map(self._folder.special_id, (UNK, CLS, SEP))

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Encode single texts."""
        return [self._assemble(encoding.ids) for encoding in self._tokenize(texts)]

    def encode_pairs(self, first: Sequence[str], second: Sequence[str]) -> list[EncodedText]:
        """Encode pairs: B is segment 1. Raises ConfigError if the model has no segment 1."""
        if self._shape.num_segments < 2:
            raise ConfigError(
                f"{self._folder.folder} cannot read pairs of texts: it has one segment embedding "
                "(type_vocab_size 1); use single texts or another model"
            )
        pairs = zip(self._tokenize(first), self._tokenize(second))
        return [self._assemble(a.ids, b.ids) for a, b in pairs]

    def encode_words(self, texts: Sequence[Sequence[str]]) -> list[EncodedText]:
        """Encode texts given as words; a word without pieces (such as a lone control) is [UNK]."""
        lists = [list(words) for words in texts]
        encodings = self._tokenizer.encode_batch(
            lists, is_pretokenized=True, add_special_tokens=False
        )
        return [self._assemble_words(len(w), e) for w, e in zip(lists, encodings)]

    def _tokenize(self, texts: Sequence[str]) -> list[Encoding]:
        encodings: list[Encoding] = self._tokenizer.encode_batch(
            list(texts), add_special_tokens=False
        )
        return encodings

    def _assemble(self, a: list[int], b: list[int] | None = None) -> EncodedText:
        cls, sep = self._cls, self._sep
        if b is None:
            kept = min(len(a), self.max_seq_length - 2)
            ids = [cls, *a[:kept], sep]
            return EncodedText(
                ids=ids, segment_b_start=len(ids), num_cut=len(a) - kept, word_starts=[]
            )
        kept_a, kept_b = longest_first(len(a), len(b), self.max_seq_length - 3)
        num_cut = len(a) + len(b) - kept_a - kept_b
        ids = [cls, *a[:kept_a], sep, *b[:kept_b], sep]
        return EncodedText(ids=ids, segment_b_start=kept_a + 2, num_cut=num_cut, word_starts=[])

    def _assemble_words(self, num_words: int, encoding: Encoding) -> EncodedText:
        pieces: list[list[int]] = [[] for _ in range(num_words)]
        for id_, word in zip(encoding.ids, encoding.word_ids):
            assert word is not None  # only special pieces that were added belong to no word
            pieces[word].append(id_)
        words = [ids or [self._unk] for ids in pieces]
        text = self._assemble([id_ for ids in words for id_ in ids])
        starts = np.cumsum([1, *map(len, words)])[:num_words].tolist()
        room = len(text.ids) - 1
        return EncodedText(
            ids=text.ids,
            segment_b_start=text.segment_b_start,
            num_cut=text.num_cut,
            word_starts=[start for start in starts if start < room],
        )


def longest_first(a: int, b: int, room: int) -> tuple[int, int]:
    """Return the kept lengths of two texts if the longer one loses a piece until both fit.

    longest_first(9, 2, 6) -> (4, 2); longest_first(9, 9, 5) -> (3, 2)
    """
    if a + b <= room:
        return a, b
    half = room // 2
    if b <= half:
        return room - b, b
    if a <= room - half:
        return a, room - a
    return room - half, half


def pad(texts: Sequence[EncodedText], *, pad_id: int, device: torch.device) -> TextBatch:
    """Make a batch, padded to its longest text."""
    lengths_B = lengths_of(texts)
    length = int(lengths_B.max())
    real_BL = places_within(lengths_B, length)
    ids_BL = pad_rows([id_ for text in texts for id_ in text.ids], real_BL, pad_id)
    starts_B = np.array([text.segment_b_start for text in texts])
    segments_BL = real_BL & ~places_within(starts_B, length)
    is_padded = bool((lengths_B < length).any())
    return TextBatch(
        input_ids_BL=torch.from_numpy(ids_BL).to(device),
        token_type_ids_BL=torch.from_numpy(segments_BL.astype(np.int64)).to(device),
        real_BL=torch.from_numpy(real_BL).to(device) if is_padded else None,
    )


def lengths_of(texts: Sequence[EncodedText]) -> Int64Array:
    """Return the number of pieces of each text, [CLS] and [SEP] counted."""
    return np.array([len(text.ids) for text in texts], dtype=np.int64)


def open_tokenizer(folder: Location, shape: ModelConfig) -> FolderTokenizer:
    """Open the tokenizer of a model's folder, with warnings; raises as `TextEncoder`."""
    tokenizer = read_tokenizer(folder)
    if tokenizer.size > shape.vocab_size:
        raise ConfigError(
            f"the tokenizer of {folder} has {tokenizer.size} pieces, the model has embeddings for "
            f"{shape.vocab_size}; replace it by the tokenizer that the model was trained with"
        )
    for text in tokenizer.warnings():
        warn(text)
    return tokenizer
