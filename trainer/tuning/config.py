"""What fine-tuning is asked to do, and its command line. Imports no torch, so help is quick."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from bertdata.config import check_choice, check_choices, check_positive, check_range
from bertdata.errors import ConfigError
from bertdata.storage.locations import locate
from trainer.command import add_flags

# Scores that can choose the best epoch, the default first. Higher is better, except of loss.
_SELECTABLE = {
    "classification": ("accuracy", "f1", "macro_f1", "mcc", "loss"),
    "regression": ("pearson", "spearman", "loss"),
    "tagging": ("accuracy", "f1", "macro_f1", "loss"),
}
DESCRIPTION = "Fine-tune a model on a task: texts and their labels in, a model and its scores out."


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """How a model learns a task; the defaults are those of BERT's paper (appendix A.3)."""

    task: Literal["classification", "regression", "tagging"] = "classification"
    """What is predicted: a label, a number, or a tag per word."""
    text: str = "text"
    """Column of the text; of tagging, the words."""
    text_pair: str | None = None
    """Column of the second text, for pairs."""
    label: str = "label"
    """Column of the label; of tagging, the tags."""
    header: bool = True
    """Whether the first line of TSV and CSV names the columns; otherwise they are 1, 2, …"""
    max_seq_length: int = 128
    """Pieces per text, [CLS] and [SEP] counted; longer texts are cut."""
    epochs: int = 3
    """Passes over the training rows."""
    batch_size: int = 32
    """Rows per step."""
    learning_rate: float = 5e-5
    """The peak rate; small models need more, such as 5e-4 for tiny."""
    warmup_fraction: float = 0.1
    """Share of the steps in which the rate rises; then it falls linearly to 0."""
    weight_decay: float = 0.01
    """Decoupled decay of AdamW."""
    dropout: float = 0.1
    """In the encoder and before the head."""
    max_grad_norm: float = 1.0
    """Gradients of a larger common norm are scaled down to this one."""
    select_by: str = ""
    """The validation score that chooses the best epoch; left out: the task's own."""
    seeds: tuple[int, ...] = (1,)
    """One run per seed; the best model is written."""
    from_scratch: bool = False
    """Start from random parameters of the same shape, to compare with."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """Of products: "auto" is bf16 if the processor multiplies it natively."""
    device: str = ""
    """Torch's name, such as cpu or cuda:1; left out: a GPU if there is one."""
    threads: int = 0
    """Threads of the CPU; 0: torch's choice."""

    def __post_init__(self) -> None:
        check_choices(self)
        if self.select_by:
            check_choice("select_by", self.select_by, _SELECTABLE[self.task])
        if self.task == "tagging" and self.text_pair is not None:
            raise ConfigError("tagging takes one text; leave --text-pair out")
        for name in ("dropout", "warmup_fraction", "weight_decay"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("epochs", "batch_size"):
            check_range(name, getattr(self, name), 1, 2**31)
        check_range("max_seq_length", self.max_seq_length, 8, 2**16)
        check_range("threads", self.threads, 0, 2**16)
        for name in ("learning_rate", "max_grad_norm"):
            check_positive(name, getattr(self, name))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("seeds must be different whole numbers, at least one")

    @property
    def selection(self) -> str:
        """The validation score that chooses."""
        return self.select_by or _SELECTABLE[self.task][0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bertdata finetune`."""
    add = parser.add_argument
    add("model", type=locate, metavar="MODEL_DIR", help="a trained model, or any Hugging Face BERT")
    add("--train", type=locate, required=True, metavar="FILE", help="TSV, CSV, JSONL or Parquet")
    add("--validation", type=locate, metavar="FILE", help="default: a tenth of the training rows")
    add("--test", type=locate, metavar="FILE", help="predicted, and scored if labelled")
    add("--output", type=locate, required=True, metavar="DIR", help="for the best model and scores")
    add("--overwrite", action="store_true", help="replace a finished model in --output")
    scores = sorted({name for names in _SELECTABLE.values() for name in names})
    add_flags(parser, FinetuneConfig, choices={"select_by": scores})
