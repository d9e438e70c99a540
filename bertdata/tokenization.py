"""Sentences to WordPiece ids: what Hugging Face `tokenizers` gives, by remembering chunks.

Text is cleaned, split and looked up as BERT does (BertNormalizer, BertPreTokenizer, WordPiece).
Special pieces are not recognised in corpus text: a literal "[MASK]" in it becomes "[", "mask",
"]", as in the original code; in terms of `tokenizers`, `encode_special_tokens = True`. The saved
tokenizer does recognise them, for prompts such as "The capital of France is [MASK].".

Why splitting first changes nothing: a space always ends a word, and an ASCII punctuation mark (or a
Chinese character, where these are split) is always a word by itself, whatever stands beside it. So
the pieces of a sentence are those of its chunks in a row, and chunks repeat.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bertdata.config import check_range
from bertdata.schema import piece_dtype
from bertdata.shards import atomic_file, write_json
from bertdata.vocabulary import (
    CLS,
    CONTINUATION_PREFIX,
    SEP,
    SPECIAL_PIECES,
    UNK,
    Vocabulary,
    write_vocabulary,
)

Int64Array = npt.NDArray[np.int64]

_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
# The two great blocks only: rarer Chinese characters are left to the tokenizer, which knows all.
_CHINESE = r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}"

_REMEMBERED_CHUNKS = 1 << 18
_REMEMBERED_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizationConfig:
    """How text becomes words, and words pieces.

    `strip_accents`: None means as `lowercase`, BERT's rule. `split_chinese_characters`: each
    Chinese character is a word. `max_word_characters`: in [1, 10000]; a longer word is [UNK].
    """

    lowercase: bool = True
    strip_accents: bool | None = None
    split_chinese_characters: bool = True
    max_word_characters: int = 100

    def __post_init__(self) -> None:
        check_range("max_word_characters", self.max_word_characters, 1, 10_000)


@dataclass(frozen=True, slots=True)
class TokenizedSentences:
    """Sentence i has the ids `ids[offsets[i]:offsets[i + 1]]`.

    `ids`: flat, uint16 up to 65,536 pieces, else uint32. `offsets`: int64[n + 1], from 0.
    """

    ids: npt.NDArray[np.unsignedinteger[Any]]
    offsets: Int64Array

    def __len__(self) -> int:
        return len(self.offsets) - 1


def build_tokenizer(vocabulary: Vocabulary, config: TokenizationConfig) -> Tokenizer:
    """The `tokenizers` tokenizer of a vocabulary: [CLS] A [SEP] B [SEP] around one or two texts.

    It recognises special pieces in text; set its `encode_special_tokens = True` for corpus text.
    """
    model = models.WordPiece(
        dict(vocabulary.ids),
        unk_token=UNK,
        max_input_chars_per_word=config.max_word_characters,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = build_normalizer(config)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = vocabulary.special
    tokenizer.post_processor = processors.BertProcessing((SEP, special.sep), (CLS, special.cls))
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION_PREFIX)
    tokenizer.add_special_tokens(list(SPECIAL_PIECES))
    return tokenizer


def build_normalizer(config: TokenizationConfig) -> normalizers.Normalizer:
    """BERT's cleaning of text: controls out, Chinese characters apart, accents and case."""
    return normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.split_chinese_characters,
        strip_accents=config.strip_accents,
        lowercase=config.lowercase,
    )


def save_tokenizer(folder: Path, vocabulary: Vocabulary, config: TokenizationConfig) -> None:
    """Write vocab.txt, tokenizer.json and tokenizer_config.json into a folder, each atomically.

    `transformers.BertTokenizerFast.from_pretrained(folder)` and
    `tokenizers.Tokenizer.from_file(folder / "tokenizer.json")` give the same ids as
    `SentenceTokenizer` for text without literal special pieces. (`BertTokenizerFast` knows no other
    `max_word_characters` than 100; for another load it as `PreTrainedTokenizerFast`.)
    """
    write_vocabulary(folder / "vocab.txt", vocabulary)
    with atomic_file(folder / "tokenizer.json") as temporary:
        build_tokenizer(vocabulary, config).save(str(temporary))
    write_json(folder / "tokenizer_config.json", _transformers_config(config))


class SentenceTokenizer:
    """Tokenizes many sentences at once, remembering the pieces of short chunks between calls.

    A call costs a little for itself, so give it thousands of sentences. What is remembered is
    bounded (100 MB or so at most) and changes no result.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizationConfig) -> None:
        self._config = config
        self._tokenizer = build_tokenizer(vocabulary, config)
        self._tokenizer.encode_special_tokens = True
        self._dtype = piece_dtype(vocabulary.size)
        self._words = _Memory(self._encode_words, self._dtype)
        self._chunks = _Memory(self._encode_chunks, self._dtype)

    def encode(self, sentences: pa.StringArray) -> TokenizedSentences:
        """The ids of each sentence, without [CLS] and [SEP]: `encode_batch_fast`'s own.

        `sentences`: no nulls; any text, fastest with words that repeat and one space between them.
        """
        return self._chunks.encode(pc.split_pattern(sentences, " "))

    def _encode_chunks(self, chunks: pa.StringArray) -> TokenizedSentences:
        return self._words.encode(split_chunks(chunks, self._config))

    def _encode_words(self, words: pa.StringArray) -> TokenizedSentences:
        texts = words.to_pylist()
        lists = [self._encode_plain(text) for text in texts]
        others = [number for number, ids in enumerate(lists) if ids is None]
        encodings = self._tokenizer.encode_batch_fast(
            [texts[number] for number in others], add_special_tokens=False
        )
        for number, encoding in zip(others, encodings):
            lists[number] = encoding.ids
        return self._flatten(lists)

    def _encode_plain(self, word: str) -> list[int] | None:
        """The ids of a word of ASCII letters and digits, which only lowercasing can change.

        Asking the model alone is several times faster. None for any other word.
        """
        if not (word.isascii() and word.isalnum()):
            return None
        cased = word.lower() if self._config.lowercase else word
        return [token.id for token in self._tokenizer.model.tokenize(cased)]

    def _flatten(self, lists: list[Any]) -> TokenizedSentences:
        offsets = _offsets_of(np.fromiter(map(len, lists), dtype=np.int64, count=len(lists)))
        flat = (id_ for ids in lists for id_ in ids)
        return TokenizedSentences(np.fromiter(flat, self._dtype, count=int(offsets[-1])), offsets)


def split_chunks(chunks: pa.StringArray, config: TokenizationConfig) -> pa.ListArray:
    """Parts of each chunk that can be tokenized apart: list<string>, some parts empty.

    Splits at spaces and around ASCII punctuation and Chinese characters (module docstring); a part
    without them may still be several words.
    """
    chinese = _CHINESE if config.split_chinese_characters else ""
    spaced = pc.replace_substring_regex(chunks, f"([{_ASCII_PUNCTUATION}{chinese}])", r" \1 ")
    return pc.split_pattern(spaced, " ")


class _Memory:
    """Encodes lists of strings, asking `encode` only for strings not seen before.

    Short strings are remembered; past a number of them all is forgotten, so that memory is bounded.
    """

    def __init__(
        self,
        encode: Callable[[pa.StringArray], TokenizedSentences],
        dtype: type[np.unsignedinteger[Any]],
    ) -> None:
        self._encode = encode
        self._nothing = TokenizedSentences(np.empty(0, dtype), np.zeros(1, np.int64))
        self._table = self._nothing
        self._rows: dict[str, int] = {}

    def encode(self, lists: pa.ListArray) -> TokenizedSentences:
        """The ids of each list of strings, those of its strings in a row."""
        strings = lists.flatten().dictionary_encode()
        table, rows = self._look_up(strings.dictionary)
        gathered = _gather(table, rows[strings.indices.to_numpy()])
        ends = _offsets_of(pc.list_value_length(lists).to_numpy())
        return TokenizedSentences(gathered.ids, gathered.offsets[ends])

    def _look_up(self, strings: pa.StringArray) -> tuple[TokenizedSentences, Int64Array]:
        """A table, and the row of it that holds the ids of each string."""
        found = map(self._rows.get, strings.to_pylist(), itertools.repeat(-1))
        rows = np.fromiter(found, dtype=np.int64, count=len(strings))
        missing = np.flatnonzero(rows < 0)
        if not missing.size:
            return self._table, rows
        new = strings.take(pa.array(missing))
        encoded = self._encode(new)
        rows[missing] = len(self._table) + np.arange(len(new))
        table = _concatenate(self._table, encoded)
        self._remember(new, encoded)
        return table, rows

    def _remember(self, strings: pa.StringArray, encoded: TokenizedSentences) -> None:
        lengths = pc.utf8_length(strings).to_numpy()
        short = np.flatnonzero(lengths <= _REMEMBERED_CHARACTERS)[:_REMEMBERED_CHUNKS]
        if len(self._table) + len(short) > _REMEMBERED_CHUNKS:
            self._forget()
        start = len(self._table)
        self._table = _concatenate(self._table, _gather(encoded, short))
        kept = strings.take(pa.array(short)).to_pylist()
        self._rows.update(zip(kept, range(start, start + len(kept))))

    def _forget(self) -> None:
        self._table = self._nothing
        self._rows = {}


def _gather(table: TokenizedSentences, rows: Int64Array) -> TokenizedSentences:
    """The rows of a table, in the order asked for."""
    starts = table.offsets[rows]
    lengths = table.offsets[rows + 1] - starts
    offsets = _offsets_of(lengths)
    positions = np.repeat(starts - offsets[:-1], lengths)
    positions += np.arange(offsets[-1])
    return TokenizedSentences(table.ids[positions], offsets)


def _concatenate(first: TokenizedSentences, second: TokenizedSentences) -> TokenizedSentences:
    ids = np.concatenate([first.ids, second.ids])
    offsets = np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]])
    return TokenizedSentences(ids, offsets)


def _offsets_of(lengths: npt.NDArray[np.integer[Any]]) -> Int64Array:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _transformers_config(config: TokenizationConfig) -> dict[str, Any]:
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": config.lowercase,
        "strip_accents": config.strip_accents,
        "tokenize_chinese_chars": config.split_chinese_characters,
        "model_max_length": 512,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(names, SPECIAL_PIECES)),
    }
