"""Sentences to WordPiece ids: vocabularies, tokenizers and the compiled tokenizer."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "compiled": ["SentenceTokenizer"],
        "tokenizer": [
            "TokenizationConfig",
            "build_normalizer",
            "build_tokenizer",
            "load_tokenizer",
            "save_tokenizer",
        ],
        "tokenizer_comparison": ["check_tokenization"],
        "tokenizer_folder": ["FolderTokenizer", "read_tokenizer"],
        "tokenizer_settings": ["TOKENIZER_FILES", "VOCABULARY_NAME", "has_tokenizer"],
        "vocabulary": [
            "CLS",
            "CONTINUATION_PREFIX",
            "MASK",
            "PAD",
            "SEP",
            "SPECIAL_PIECES",
            "SpecialIds",
            "UNK",
            "Vocabulary",
            "read_vocabulary",
        ],
        "word_parts": ["PartTable"],
    },
)
