"""What a trained model puts in the place of [MASK].

python -m trainer.fill_mask --model DIR "The capital of France is [MASK]."
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bertdata.errors import BertdataError, ConfigError
from bertdata.terminal import run_command
from bertdata.vocabulary import MASK, Vocabulary, read_vocabulary
from trainer.export import check_model, load_model
from trainer.model import Bert
from trainer.text_input import read_tokenizer


@dataclass(frozen=True, slots=True)
class Guess:
    """A piece and its probability."""

    piece: str
    probability: float


class MaskFiller:
    """A model, its vocabulary and its tokenizer, read from one folder."""

    def __init__(self, folder: Path) -> None:
        check_model(folder)
        self._model: Bert = load_model(folder).eval()
        self._vocabulary: Vocabulary = read_vocabulary(folder / "vocab.txt")
        self._tokenizer = read_tokenizer(folder)

    def fill(self, text: str, *, top: int = 5) -> list[list[Guess]]:
        """The `top` likeliest pieces for each [MASK] of the text, in order."""
        input_ids = self._to_ids(text)
        special = self._vocabulary.special
        places = [i for i, id_ in enumerate(input_ids) if id_ == special.mask]
        input_ids_1L = torch.tensor([input_ids])
        with torch.no_grad():
            hidden_1LD = self._model.encode(input_ids_1L, torch.zeros_like(input_ids_1L), None)
            shares_NV = self._model.mlm_logits(hidden_1LD[0, places]).softmax(dim=1)
        best = shares_NV.topk(min(top, self._vocabulary.size), dim=1)
        return [
            [Guess(self._vocabulary.tokens[i], p) for p, i in zip(shares, ids)]
            for shares, ids in zip(best.values.tolist(), best.indices.tolist())
        ]

    def _to_ids(self, text: str) -> list[int]:
        """[CLS] text [SEP], with [MASK] as one piece wherever it is written."""
        parts = text.split(MASK)
        if len(parts) < 2:
            raise ConfigError(f"the text has no {MASK}: {text!r}; write {MASK} for a piece")
        special = self._vocabulary.special
        ids = [special.cls]
        for i, part in enumerate(parts):
            ids += [special.mask] * (i > 0)
            ids += self._tokenizer.encode(part, add_special_tokens=False).ids
        ids.append(special.sep)
        if len(ids) > (most := self._model.config.max_positions):
            raise ConfigError(f"the text has {len(ids)} pieces, the model reads at most {most}")
        return ids


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.fill_mask", description=__doc__)
    parser.add_argument("text", help=f"a text with one or more {MASK}")
    parser.add_argument("--model", type=Path, required=True, help="the folder of a trained model")
    parser.add_argument("--top", type=int, default=5, help="pieces to show for each mask")
    given = parser.parse_args(arguments)
    try:
        guesses = MaskFiller(given.model).fill(given.text, top=given.top)
    except BertdataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    print("\n\n".join(_to_lines(of_one_mask) for of_one_mask in guesses))
    return 0


def _to_lines(guesses: list[Guess]) -> str:
    return "\n".join(f"{guess.probability:7.2%}  {guess.piece}" for guess in guesses)


if __name__ == "__main__":
    sys.exit(run_command(main))
