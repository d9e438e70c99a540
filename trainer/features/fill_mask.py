"""What a trained model puts in the place of [MASK].

python -m trainer.fill_mask --model DIR "The capital of France is [MASK]."
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bertdata.errors import ConfigError
from bertdata.storage.locations import Location, locate
from bertdata.terminal import CommandParser, run_command
from bertdata.tokens.vocabulary import CLS, MASK, SEP
from trainer.command import exit_code
from trainer.models.bert import Bert
from trainer.models.export import check_model, load_model
from trainer.texts.encoder import open_tokenizer


@dataclass(frozen=True, slots=True)
class _Guess:
    """A piece and its probability."""

    piece: str
    probability: float


class MaskFiller:
    """A model and its tokenizer, read from one folder."""

    def __init__(self, folder: Location) -> None:
        check_model(folder)
        self._model: Bert = load_model(folder).eval()
        self._folder = open_tokenizer(folder, self._model.config)
        self._cls, self._sep, self._mask = map(self._folder.special_id, (CLS, SEP, MASK))
        self._ids = torch.tensor(sorted(self._folder.pieces))  # other ids have no piece to show

    def fill(self, text: str, *, top: int = 5) -> list[list[_Guess]]:
        """Return the `top` likeliest pieces for each [MASK] of the text, in order."""
        input_ids = self._to_ids(text)
        places = [i for i, id_ in enumerate(input_ids) if id_ == self._mask]
        input_ids_1L = torch.tensor([input_ids])
        with torch.no_grad():
            hidden_1LD = self._model.encode(input_ids_1L, torch.zeros_like(input_ids_1L), None)
            shares_NV = self._model.mlm_logits(hidden_1LD[0, places]).softmax(dim=1)
        best = shares_NV[:, self._ids].topk(min(top, len(self._ids)), dim=1)
        return [
            [_Guess(self._folder.pieces[i], p) for p, i in zip(shares, ids)]
            for shares, ids in zip(best.values.tolist(), self._ids[best.indices].tolist())
        ]

    def _to_ids(self, text: str) -> list[int]:
        """Return the ids of [CLS] text [SEP], with [MASK] as one piece wherever it is written."""
        mask = self._folder.special_name(MASK)
        parts = text.split(mask)
        if len(parts) < 2:
            raise ConfigError(
                f"the text has no {mask}: {text!r}; write {mask} in the place of a piece"
            )
        ids = [self._cls]
        for i, part in enumerate(parts):
            ids += [self._mask] * (i > 0)
            ids += self._folder.tokenizer.encode(part, add_special_tokens=False).ids
        ids.append(self._sep)
        if len(ids) > (longest := self._model.config.max_positions):
            raise ConfigError(f"the text has {len(ids)} pieces, the maximum is {longest}")
        return ids


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = CommandParser(
        prog="bertdata fill-mask", description="Show what a trained model predicts for [MASK]."
    )
    parser.add_argument("text", help=f"a text with one or more {MASK}")
    parser.add_argument("--model", type=locate, required=True, help="the folder of a trained model")
    parser.add_argument("--top", type=int, default=5, help="pieces to show for each mask (5)")
    given = parser.parse_args(arguments)
    return exit_code(lambda: _show(given.model, given.text, given.top))


def _show(model: Location, text: str, top: int) -> int:
    guesses = MaskFiller(model).fill(text, top=top)
    print("\n\n".join(_to_lines(of_one_mask) for of_one_mask in guesses))
    return 0


def _to_lines(guesses: list[_Guess]) -> str:
    return "\n".join(f"{guess.probability:7.2%}  {guess.piece}" for guess in guesses)


if __name__ == "__main__":
    sys.exit(run_command(main))
