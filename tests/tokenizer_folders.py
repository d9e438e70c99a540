"""Hugging Face tokenizer folders as transformers 4.57 and 5 write them, with any settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertdata.tokens.tokenizer import TokenizationConfig, build_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary

ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
# The files that a folder has, from transformers 5, 4 and its slow tokenizers, and by hand.
KINDS = {
    "5": ("tokenizer.json", "tokenizer_config.json"),
    "4": ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    "4 slow": ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"),
    "4 slow with added pieces": ("vocab.txt", "tokenizer_config.json", "added_tokens.json"),
    "original": ("vocab.txt",),
    "bare": ("tokenizer.json",),
}
_WORDS = """
the The b B ##a ##ä ##k ##e ##r ' s 東 京 ##京 東京 e é ##t ##é d ##o ##n t stop STOP S T ##T ##O
##P , covid [ ] mask MASK か が ##が ##か
"""
WORDS = tuple(_WORDS.split())
TEXTS = [
    "The Bäker's 東京 été [MASK] don't the STOP",
    "",
    "\u00c9T\u00c9 e\u0301te\u0301 が covid Covid covidcovid [ENT] [ent]",
    "the\u200b b\u00adB [CLS] [UNK]" + " the" * 20,
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What distinguishes folders."""

    lower: bool = True
    strip: bool | None = None
    chinese: bool = True
    special: tuple[str, ...] = SPECIAL_PIECES


def write_folder(folder: Path, kind: str, settings: Settings, **config: Any) -> Path:
    """A folder with the files of a kind; `config`: more for tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary((*WORDS[:7], *settings.special, *WORDS[7:]), settings.special)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    for name in KINDS[kind]:
        (folder / name).write_text(_contents(name, vocabulary, settings, config), "utf-8")
    return folder


def _contents(name: str, vocabulary: Vocabulary, settings: Settings, config: dict[str, Any]) -> str:
    special = dict(zip(ROLES, settings.special))
    size = vocabulary.size
    if name == "vocab.txt":
        return vocabulary.to_text()
    if name == "tokenizer.json":
        return _tokenizer_json(vocabulary, settings)
    if name == "special_tokens_map.json":
        return json.dumps(special)
    if name == "added_tokens.json":
        return json.dumps({"covid19": size, "[ENT]": size + 1})
    return json.dumps(
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": settings.lower,
            "strip_accents": settings.strip,
            "tokenize_chinese_chars": settings.chinese,
            "model_max_length": int(1e30),
            **special,
            **config,
        }
    )


def _tokenizer_json(vocabulary: Vocabulary, settings: Settings) -> str:
    rules = TokenizationConfig(
        lowercase=settings.lower,
        strip_accents=settings.strip,
        split_chinese_characters=settings.chinese,
    )
    text: str = build_tokenizer(vocabulary, rules).to_str()
    return text
