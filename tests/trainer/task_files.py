"""A small model folder, and files of tasks that it can learn in a moment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bertdata.tokens.tokenizer import TokenizationConfig, save_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
from tests.trainer.models.test_bert import make_model
from trainer.models.export import export_model

GOOD, BAD = ("good", "fine", "great"), ("bad", "poor", "awful")
FILLING = ("the", "a", "film", "was", "story", "and", "very", ".", "##s", "##ing")
PIECES = (*SPECIAL_PIECES, *GOOD, *BAD, *FILLING)


def write_model(folder: Path, **shape: int | float) -> Path:
    """A model with random weights, under `folder`/model.

    They are larger than at the start of a large model: so few inputs else say too little.
    """
    save_tokenizer(folder / "vocab", Vocabulary(PIECES), TokenizationConfig())
    model = make_model(vocab_size=len(PIECES), **shape)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(10)
    export_model(model, folder / "model", vocab=folder / "vocab")
    return folder / "model"


def make_texts(count: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label): one of three good or bad words among others decides."""
    draws = np.random.default_rng(seed)
    texts = []
    for i in range(count):
        words = list(draws.choice(FILLING[:7], size=draws.integers(1, 4)))
        telling = str(draws.choice(GOOD if i % 2 else BAD))
        words.insert(int(draws.integers(len(words))), telling)
        texts.append((" ".join(words), "pos" if i % 2 else "neg"))
    return texts


def write_tsv(path: Path, rows: Sequence[Sequence[Any]], header: str = "text\tlabel") -> Path:
    lines = [header, *("\t".join(map(str, row)) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def make_tagged(count: int, *, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Words and tags: a good word starts a span that "very" after it goes on with."""
    draws = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        words, tags = [], []
        for _ in range(int(draws.integers(2, 6))):
            if draws.random() < 0.5:
                words += [str(draws.choice(GOOD)), "very"]
                tags += ["B-GOOD", "I-GOOD"]
            else:
                words.append(str(draws.choice(FILLING[:5])))
                tags.append("O")
        rows.append((words, tags))
    return rows
