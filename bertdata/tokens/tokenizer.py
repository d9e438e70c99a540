"""How text becomes WordPiece ids: the tokenizer of `tokenizers`, and its files.

Text is cleaned, split and looked up as BERT does (BertNormalizer, BertPreTokenizer, WordPiece).
Special pieces are not recognised in corpus text: a literal "[MASK]" in it becomes "[", "mask",
"]", as in the original code; in terms of `tokenizers`, `encode_special_tokens = True`. The saved
tokenizer does recognise them, for prompts such as "The capital of France is [MASK].".

`bertdata.tokens.compiled` computes the same ids faster, for whole corpora.
"""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bertdata.config import Table, check_range
from bertdata.storage.foreign import MAX_PIECES_BYTES, read_foreign
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from bertdata.storage.writing import atomic_file, write_json
from bertdata.tokens.tokenizer_settings import (
    SETTINGS_NAME,
    SPECIAL_ROLES,
    TOKENIZER_NAME,
    VOCABULARY_NAME,
)
from bertdata.tokens.vocabulary import CONTINUATION_PREFIX, Vocabulary, write_vocabulary

_USUAL_WORD_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizationConfig:
    """How text becomes words, and words pieces.

    `strip_accents`: None means the value of `lowercase`, as in BERT. `split_chinese_characters`:
    each Chinese character is a word. `max_word_characters`: in [1, 10000]; a longer word becomes
    [UNK].
    """

    lowercase: bool = True
    strip_accents: bool | None = None
    split_chinese_characters: bool = True
    max_word_characters: int = _USUAL_WORD_CHARACTERS

    def __post_init__(self) -> None:
        check_range("max_word_characters", self.max_word_characters, 1, 10_000)


def build_tokenizer(vocabulary: Vocabulary, config: TokenizationConfig) -> Tokenizer:
    """The `tokenizers` tokenizer of a vocabulary: [CLS] A [SEP] B [SEP] around one or two texts.

    It recognises special pieces in text; set its `encode_special_tokens = True` for corpus text.
    """
    special, names = vocabulary.special, vocabulary.special_pieces
    _, unk, cls, sep, _ = names
    model = models.WordPiece(
        dict(vocabulary.ids),
        unk_token=unk,
        max_input_chars_per_word=config.max_word_characters,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = build_normalizer(config)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing((sep, special.sep), (cls, special.cls))
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION_PREFIX)
    tokenizer.add_special_tokens(list(names))
    return tokenizer


def build_normalizer(config: TokenizationConfig) -> normalizers.Normalizer:
    """BERT's cleaning of text: control characters, Chinese characters, accents and case."""
    return normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.split_chinese_characters,
        strip_accents=config.strip_accents,
        lowercase=config.lowercase,
    )


def load_tokenizer(location: Location) -> Tokenizer:
    """The tokenizer in a tokenizer.json. Raises plain Exception, as `tokenizers` does."""
    text = read_foreign(location, MAX_PIECES_BYTES).decode("utf-8")
    try:
        return Tokenizer.from_str(text)
    except (Exception, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what Rust's panics become over values that it did not expect
        raise ValueError(first_line(error)) from error


def save_tokenizer(folder: Location, vocabulary: Vocabulary, config: TokenizationConfig) -> None:
    """Write vocab.txt, tokenizer.json and tokenizer_config.json into a folder, each atomically.

    `transformers.AutoTokenizer.from_pretrained(folder)` (with a BERT config.json) and
    `tokenizers.Tokenizer.from_file(folder / "tokenizer.json")` return the same ids as
    `SentenceTokenizer` for text without literal special pieces.
    """
    write_vocabulary(folder / VOCABULARY_NAME, vocabulary)
    with atomic_file(folder / TOKENIZER_NAME) as temporary:
        build_tokenizer(vocabulary, config).save(str(temporary))
    write_json(folder / SETTINGS_NAME, _transformers_config(vocabulary, config))


def _transformers_config(vocabulary: Vocabulary, config: TokenizationConfig) -> Table:
    # transformers' BertTokenizer has a fixed word length; the other class reads tokenizer.json.
    is_usual = config.max_word_characters == _USUAL_WORD_CHARACTERS
    return {
        "tokenizer_class": "BertTokenizer" if is_usual else "PreTrainedTokenizerFast",
        "do_lower_case": config.lowercase,
        "strip_accents": config.strip_accents,
        "tokenize_chinese_chars": config.split_chinese_characters,
        "model_max_length": 512,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(SPECIAL_ROLES, vocabulary.special_pieces)),
    }
