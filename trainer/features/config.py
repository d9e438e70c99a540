"""What feature extraction is asked to do, and its command line. Imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bertdata.config import check_choice, check_range
from bertdata.errors import ConfigError

POOLINGS = ("cls", "mean", "tokens")
UNITS = ("document", "sentence")
DTYPES = ("float32", "float16")
DESCRIPTION = "Write what a model makes of texts, as vectors in an Arrow file."


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesConfig:
    """Which vectors are written.

    `pooling`: "cls" the state of [CLS], "mean" over all pieces of the text ([CLS] and [SEP] too),
    "tokens" a vector for each of them. `layers`: 0 the embeddings, 1 the first layer, -1 the last.
    `unit`: of sentences/ folders, what gets a row. `text`, `id`: columns of tables; `header` as in
    `FinetuneConfig`. `max_seq_length`: pieces, [CLS] and [SEP] counted; longer texts are cut at
    their end. `batch_pieces`: pieces computed at once, padding counted. `device`: torch's name, ""
    for a GPU where there is one. `threads`: 0 leaves torch's choice.
    """

    pooling: str = "mean"
    layers: tuple[int, ...] = (-1,)
    dtype: str = "float32"
    unit: str = "document"
    text: str = "text"
    id: str = "id"
    header: bool = True
    max_seq_length: int = 512
    batch_pieces: int = 8192
    precision: str = "fp32"
    device: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("unit", self.unit, UNITS)
        check_choice("precision", self.precision, ("fp32", "bf16", "auto"))
        check_range("max_seq_length", self.max_seq_length, 8, 2**16)
        check_range("batch_pieces", self.batch_pieces, 1, 2**31)
        check_range("threads", self.threads, 0, 2**16)
        if not self.layers:
            raise ConfigError("layers must name one layer at least")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bertdata features`."""
    default = FeaturesConfig()
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="a trained model, or any Hugging Face BERT")
    inputs = "sentences/ folders, .txt (a text a line), .jsonl, .parquet, .arrow, .csv, .tsv"
    add("--input", type=Path, required=True, nargs="+", metavar="PATH", help=inputs)
    add(
        "--output", type=Path, required=True, metavar="FILE.arrow", help="the vectors, a row a text"
    )
    add("--overwrite", action="store_true", help="replace the file in --output")
    add("--pooling", choices=POOLINGS, default=default.pooling, help=f"({default.pooling})")
    layers = "0 the embeddings, 1 the first layer, -1 the last (-1); write --layers=-1,-2"
    add("--layers", type=_whole_numbers, default=default.layers, metavar="N,…", help=layers)
    add("--dtype", choices=DTYPES, default=default.dtype, help=f"({default.dtype})")
    unit = f"what of a sentences/ folder gets a row ({default.unit})"
    add("--by", dest="unit", choices=UNITS, default=default.unit, help=unit)
    add("--text", default=default.text, metavar="COLUMN", help=f"of tables ({default.text})")
    add("--id", default=default.id, metavar="COLUMN", help=f"if the table has it ({default.id})")
    add("--no-header", dest="header", action="store_false", help="columns are 1, 2, … instead")
    for name, text in _NUMBERS.items():
        value = getattr(default, name)
        flag = f"--{name.replace('_', '-')}"
        add(flag, type=int, default=value, metavar="N", help=f"{text} ({value})")
    add("--precision", choices=("fp32", "bf16", "auto"), default=default.precision)
    add("--device", default="", help="such as cpu or cuda:1 (a GPU where there is one)")


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


_NUMBERS = {
    "max_seq_length": "pieces, at most what the model reads; longer texts are cut",
    "batch_pieces": "pieces computed at once",
    "threads": "0: torch's choice",
}
