"""What feature extraction is asked to do, and its command line. Imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from bertdata.config import check_choices, check_range
from bertdata.errors import ConfigError
from bertdata.storage.locations import locate
from trainer.command import add_flags

DESCRIPTION = "Write the vectors that a model computes of texts to an Arrow file."


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesConfig:
    """Which vectors are written."""

    pooling: Literal["cls", "mean", "tokens"] = "mean"
    """The state of [CLS], the mean over all pieces of a text, or a vector per piece."""
    layers: tuple[int, ...] = (-1,)
    """0 the embeddings, 1 the first layer, -1 the last; write --layers=-1,-2."""
    dtype: Literal["float32", "float16"] = "float32"
    """Type of the numbers."""
    unit: Literal["document", "sentence"] = "document"
    """What of a sentences/ folder has a row."""
    text: str = "text"
    """Column of the text, in tables."""
    id: str = "id"
    """Column of the id, if the table has it."""
    header: bool = True
    """Whether the first line of TSV and CSV names the columns; otherwise they are 1, 2, …"""
    max_seq_length: int = 512
    """Pieces per text, [CLS] and [SEP] counted; longer texts are cut."""
    batch_pieces: int = 8192
    """Pieces computed at once, padding counted."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """Of products: "auto" is bf16 if the processor multiplies it natively."""
    device: str = ""
    """Torch's name, such as cpu or cuda:1; left out: a GPU if there is one."""
    threads: int = 0
    """Threads of the CPU; 0: torch's choice."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_range("max_seq_length", self.max_seq_length, 8, 2**16)
        check_range("batch_pieces", self.batch_pieces, 1, 2**31)
        check_range("threads", self.threads, 0, 2**16)
        if not self.layers:
            raise ConfigError("layers must name at least one layer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bertdata features`."""
    add = parser.add_argument
    add("model", type=locate, metavar="MODEL_DIR", help="a trained model, or any Hugging Face BERT")
    inputs = "sentences/ folders, .txt (one text per line), .jsonl, .parquet, .arrow, .csv, .tsv"
    add("--input", type=locate, required=True, nargs="+", metavar="PATH", help=inputs)
    output = "the vectors, one row per text"
    add("--output", type=locate, required=True, metavar="FILE.arrow", help=output)
    add("--overwrite", action="store_true", help="replace the file in --output")
    add_flags(parser, FeaturesConfig, names={"unit": "by"})
