"""`python -m bertdata.reference`: the original's command, with Arrow files instead of TFRecords."""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from bertdata.errors import BertdataError, InputError
from bertdata.reference.algorithm import Doc, Example, OriginalSource, Pieces, create_examples
from bertdata.reference.config import MaskingConfig, PairingConfig
from bertdata.reference.tokenization import OriginalTokenizer
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import sync_files, write_arrow
from bertdata.terminal import CommandParser, exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 if done, 1 if it failed, 2 for wrong usage."""
    flags = _make_parser().parse_args(arguments)
    try:
        _run(flags)
    except BertdataError as error:
        print(f"bertdata.reference: {error}", file=sys.stderr)
        return exit_status(error)
    return 0


def _run(flags: argparse.Namespace) -> None:
    """Read, make the examples, write them to the output files in turn."""
    pairing = PairingConfig(
        max_seq_length=flags.max_seq_length,
        short_seq_prob=flags.short_seq_prob,
        original_random_next=True,
    )
    masking = MaskingConfig(
        masked_lm_prob=flags.masked_lm_prob,
        max_predictions_per_seq=flags.max_predictions_per_seq,
        whole_word_mask=flags.do_whole_word_mask,
    )
    tokenizer = OriginalTokenizer(Path(flags.vocab_file), flags.do_lower_case)
    documents = _read_documents(_find_files(flags.input_file), tokenizer)
    examples = create_examples(
        documents,
        flags.dupe_factor,
        pairing,
        masking,
        _make_pieces(tokenizer),
        OriginalSource(flags.random_seed),
    )
    outputs = [Path(name) for name in flags.output_file.split(",")]
    for number, output in enumerate(outputs):
        _write_examples(output, examples[number :: len(outputs)], len(tokenizer.ids))
    print(f"{len(examples):,} examples from {len(documents):,} documents")


def _make_parser() -> argparse.ArgumentParser:
    """The original's flags and defaults."""
    parser = CommandParser(
        prog="python -m bertdata.reference",
        description="The original create_pretraining_data.py: same flags, same rows, Arrow out.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--input_file", required=True, help="text files or globs, separated by commas")
    add("--output_file", required=True, help="Arrow files to write in turn, separated by commas")
    add("--vocab_file", required=True, help="the vocabulary, one piece per line")
    _add_switch(parser, "do_lower_case", True, "lowercase and strip accents")
    _add_switch(parser, "do_whole_word_mask", False, "hide the pieces of a word together")
    add("--max_seq_length", type=int, default=128)
    add("--max_predictions_per_seq", type=int, default=20)
    add("--random_seed", type=int, default=12345)
    add("--dupe_factor", type=int, default=10, help="passes over the text, masked differently")
    add("--masked_lm_prob", type=float, default=0.15)
    add("--short_seq_prob", type=float, default=0.1)
    return parser


def _find_files(patterns: str) -> list[Path]:
    """Files of the comma-separated globs, in order. Raises InputError when there is none."""
    files = [name for pattern in patterns.split(",") for name in sorted(glob.glob(pattern))]  # noqa: PTH207
    if not files:
        raise InputError(f"no file matches {patterns}; correct --input_file")
    return [Path(name) for name in files]


def _read_documents(files: Iterable[Path], tokenizer: OriginalTokenizer) -> list[Doc]:
    """Read one sentence per line; a blank line, but not the end of a file, ends a document."""
    documents: list[list[list[int]]] = [[]]
    for file in files:
        for line in _read_lines(file):
            if not line:
                documents.append([])
            elif ids := tokenizer.encode(line):
                documents[-1].append(ids)
    found = [document for document in documents if document]
    if not found:
        raise InputError("the input has no document: it is empty or blank; name files with text")
    return list(found)


def _make_pieces(tokenizer: OriginalTokenizer) -> Pieces:
    """The special pieces, with all pieces as possible random ones."""
    ids = tokenizer.ids
    return Pieces(
        cls=ids["[CLS]"],
        sep=ids["[SEP]"],
        mask=ids["[MASK]"],
        random_ids=list(ids.values()),
        continuation=_continuations(ids),
    )


def _write_examples(path: Path, examples: Sequence[Example], vocabulary_size: int) -> None:
    """Write examples in order. The original does not know their documents, so the ids are 0."""
    batch = to_record_batch(examples, vocabulary_size)
    sync_files(path.parent, [write_arrow(path, batch.schema, [batch])])


def to_record_batch(examples: Sequence[Example], vocabulary_size: int) -> pa.RecordBatch:
    """The columns of `examples/*.arrow` from Python lists."""
    columns: dict[str, Sequence[int] | Sequence[list[int]]] = {
        "input_ids": [example.input_ids for example in examples],
        "segment_b_start": [example.segment_b_start for example in examples],
        "masked_lm_positions": [example.masked_lm_positions for example in examples],
        "masked_lm_ids": [example.masked_lm_ids for example in examples],
        "next_sentence_label": [int(example.is_random_next) for example in examples],
        "document_id": [0] * len(examples),
    }
    return pa.record_batch(columns, schema=examples_schema(vocabulary_size))


def _read_lines(file: Path) -> list[str]:
    try:
        # Only "\n" ends a line, as in the original's reader; the last line needs none.
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror}; name files that you may read"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.strip() for line in lines]


def _continuations(ids: dict[str, int]) -> list[bool]:
    table = [False] * (max(ids.values()) + 1)
    for piece, number in ids.items():
        table[number] = piece.startswith("##")
    return table


def _add_switch(parser: argparse.ArgumentParser, name: str, default: bool, text: str) -> None:
    """A flag as in absl: --name, --name=false, --noname."""
    parser.add_argument(
        f"--{name}", type=_boolean, nargs="?", const=True, default=default, help=text
    )
    parser.add_argument(f"--no{name}", dest=name, action="store_false", help=argparse.SUPPRESS)


def _boolean(text: str) -> bool:
    known = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"must be true or false, got {text!r}")
    return known[text.lower()]
