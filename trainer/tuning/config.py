"""What fine-tuning is asked to do, and its command line. Imports no torch, so help is quick."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bertdata.config import check_choice, check_range
from bertdata.errors import ConfigError

TASKS = ("classification", "regression", "tagging")
# What the best epoch is chosen by, the first where nothing is said. All but loss: more is better.
SELECTABLE = {
    "classification": ("accuracy", "f1", "macro_f1", "mcc", "loss"),
    "regression": ("pearson", "spearman", "loss"),
    "tagging": ("accuracy", "f1", "macro_f1", "loss"),
}
DESCRIPTION = "Fine-tune a model on a task: texts and their labels in, a model and its scores out."


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """How a model learns a task; the defaults are those of BERT's paper (appendix A.3).

    `text`, `text_pair`, `label`: columns; `header`: whether TSV and CSV name them in a first line,
    otherwise they are "1", "2", … `max_seq_length`: pieces, [CLS] and [SEP] counted; longer texts
    are cut at their end, of a pair the longer one first. `select_by`: the validation score that
    chooses the best epoch; "" for the task's own. `warmup_fraction`: of all steps; the rate then
    falls linearly to 0. `from_scratch`: start from random parameters of the same shape.
    `precision`: "fp32", "bf16" or "auto". `device`: torch's name, "" for a GPU where there is one.
    `threads`: 0 leaves torch's choice.
    """

    task: str = "classification"
    text: str = "text"
    text_pair: str | None = None
    label: str = "label"
    header: bool = True
    max_seq_length: int = 128
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    max_grad_norm: float = 1.0
    select_by: str = ""
    seeds: tuple[int, ...] = (1,)
    from_scratch: bool = False
    precision: str = "fp32"
    device: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_choice("precision", self.precision, ("fp32", "bf16", "auto"))
        if self.select_by:
            check_choice("select_by", self.select_by, SELECTABLE[self.task])
        if self.task == "tagging" and self.text_pair is not None:
            raise ConfigError("tagging takes one text; leave --text-pair out")
        for name in ("dropout", "warmup_fraction", "weight_decay"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("epochs", "batch_size"):
            check_range(name, getattr(self, name), 1, 2**31)
        check_range("max_seq_length", self.max_seq_length, 8, 2**16)
        check_range("threads", self.threads, 0, 2**16)
        for name in ("learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name):g}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("seeds must be different whole numbers, one at least")

    @property
    def selection(self) -> str:
        """The validation score that chooses."""
        return self.select_by or SELECTABLE[self.task][0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bertdata finetune`."""
    default = FinetuneConfig()
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="a trained model, or any Hugging Face BERT")
    add("--task", choices=TASKS, default=default.task, help=f"default {default.task}")
    add("--train", type=Path, required=True, metavar="FILE", help="TSV, CSV, JSONL or Parquet")
    add("--validation", type=Path, metavar="FILE", help="default: a tenth of the training rows")
    add("--test", type=Path, metavar="FILE", help="predicted, and scored if labelled")
    add("--output", type=Path, required=True, metavar="DIR", help="gets the best model and scores")
    add("--overwrite", action="store_true", help="replace a finished model in --output")
    add("--text", default=default.text, metavar="COLUMN", help="of tagging: the words (text)")
    add("--text-pair", metavar="COLUMN", help="the second text, for sentence pairs")
    add("--label", default=default.label, metavar="COLUMN", help="of tagging: the tags (label)")
    add("--no-header", dest="header", action="store_false", help="columns are 1, 2, … instead")
    for name, text in _NUMBERS.items():
        value = getattr(default, name)
        flag = f"--{name.replace('_', '-')}"
        add(flag, type=type(value), default=value, metavar="N", help=f"{text} ({value:g})")
    choices = sorted({name for names in SELECTABLE.values() for name in names})
    add("--select-by", choices=choices, default="", help="what the best epoch is best in")
    add(
        "--seeds",
        type=_whole_numbers,
        default=default.seeds,
        metavar="N,…",
        help="one run each (1)",
    )
    add("--from-scratch", action="store_true", help="random parameters, to compare with")
    add("--precision", choices=("fp32", "bf16", "auto"), default=default.precision)
    add("--device", default="", help="such as cpu or cuda:1 (a GPU where there is one)")


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


_NUMBERS = {
    "epochs": "passes over the training rows",
    "batch_size": "rows a step",
    "learning_rate": "the peak; small models want more, such as 5e-4 for tiny",
    "max_seq_length": "pieces; longer texts are cut",
    "warmup_fraction": "share of the steps with rising rate",
    "weight_decay": "AdamW's",
    "dropout": "in the encoder and before the head",
    "max_grad_norm": "gradients are clipped to it",
    "threads": "0: torch's choice",
}
