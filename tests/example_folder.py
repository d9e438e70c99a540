"""Small `examples/` and `vocab/` folders, made for the reader and the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bertdata.reader.batches import CompactBatch
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import Shard, write_arrow
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, write_vocabulary

Row = dict[str, Any]


@dataclass(frozen=True)
class Folders:
    """A root with `examples/` and `vocab/`, and the rows that are in the shards, in order."""

    root: Path
    vocabulary: Vocabulary
    train: list[Row]
    validation: list[Row]

    @property
    def examples(self) -> Path:
        return self.root / "examples"

    @property
    def vocab(self) -> Path:
        return self.root / "vocab"


def make_vocabulary(size: int) -> Vocabulary:
    """The special pieces, words, and continuations: every third piece is one."""
    pieces = [f"##c{i}" if i % 3 == 0 else f"w{i}" for i in range(size - len(SPECIAL_PIECES))]
    return Vocabulary(SPECIAL_PIECES + tuple(pieces))


def make_rows(
    count: int, vocabulary: Vocabulary, *, seed: int = 0, length: int = 24, masked: bool = True
) -> list[Row]:
    """Pairs of random pieces (more of the low ids), 8 to `length` long, some predicted."""
    draws = np.random.default_rng(seed)
    return [_make_row(draws, i, vocabulary, length, masked) for i in range(count)]


def write_folders(
    root: Path,
    *,
    num_train: int = 37,
    num_validation: int = 9,
    vocabulary_size: int = 50,
    length: int = 24,
    config: dict[str, Any] | None = None,
    compression: str | None = None,
) -> Folders:
    """Train rows in three shards of several record batches, validation rows in one."""
    vocabulary = make_vocabulary(vocabulary_size)
    settings = {"masking": "static", "next_sentence": True, **(config or {})}
    masked = settings["masking"] == "static"
    train = make_rows(num_train, vocabulary, seed=1, length=length, masked=masked)
    validation = make_rows(num_validation, vocabulary, seed=2, length=length, masked=masked)
    folders = Folders(root, vocabulary, train, validation)
    parts = [train[i::3] for i in range(3)]
    folders.train[:] = [row for part in parts for row in part]
    shards = [
        write_shard(folders, f"train-{i:05d}-of-00003.arrow", part, compression)
        for i, part in enumerate(parts)
    ]
    name = "validation-00000-of-00001.arrow"
    shards.append(write_shard(folders, name, validation, compression))
    finish(folders, shards, settings)
    return folders


def write_shard(
    folders: Folders, name: str, rows: Sequence[Row], compression: str | None = None
) -> Shard:
    """Rows as a shard, in record batches of five."""
    schema = examples_schema(folders.vocabulary.size)
    table = pa.Table.from_pylist(list(rows), schema=schema)
    return write_arrow(folders.examples / name, schema, table.to_batches(5), compression)


def finish(folders: Folders, shards: Sequence[Shard], config: dict[str, Any]) -> None:
    inputs = {"vocabulary": {"sha256": folders.vocabulary.fingerprint}}
    manifest = make_manifest(
        "examples", config={"examples": config}, inputs=inputs, counts={}, shards=shards
    )
    write_manifest(folders.examples, manifest)
    write_vocabulary(folders.vocab / "vocab.txt", folders.vocabulary)
    write_json(folders.vocab / "tokenizer_config.json", {"do_lower_case": False})


def to_rows(batch: CompactBatch) -> list[Row]:
    """The rows of a batch, under the names of the columns."""
    return [_to_row(batch, i) for i in range(len(batch.lengths))]


def _to_row(batch: CompactBatch, i: int) -> Row:
    pieces = slice(batch.offsets[i], batch.offsets[i + 1])
    masked = slice(batch.masked_offsets[i], batch.masked_offsets[i + 1])
    return {
        "input_ids": batch.input_ids[pieces].tolist(),
        "segment_b_start": int(batch.segment_b_starts[i]),
        "masked_lm_positions": batch.masked_positions[masked].tolist(),
        "masked_lm_ids": batch.masked_ids[masked].tolist(),
        "next_sentence_label": int(batch.next_sentence_labels[i]),
    }


def without_document(row: Row) -> Row:
    """A row as a batch has it."""
    return {name: value for name, value in row.items() if name != "document_id"}


def _make_row(
    draws: np.random.Generator, number: int, vocabulary: Vocabulary, length: int, masked: bool
) -> Row:
    special = vocabulary.special
    size = int(draws.integers(8, length + 1))
    shares = 1.0 / np.arange(1, vocabulary.size - 4)
    ids = draws.choice(np.arange(5, vocabulary.size), size, p=shares / shares.sum())
    middle = int(draws.integers(2, size - 3))
    ids[0], ids[middle], ids[-1] = special.cls, special.sep, special.sep
    candidates = [i for i in range(1, size - 1) if i != middle]
    chosen = sorted(draws.permutation(candidates)[: max(1, size // 7)].tolist() if masked else [])
    originals = [int(ids[i]) for i in chosen]
    ids[chosen] = special.mask
    return {
        "input_ids": ids.tolist(),
        "segment_b_start": middle + 1,
        "masked_lm_positions": chosen,
        "masked_lm_ids": originals,
        "next_sentence_label": int(draws.integers(2)),
        "document_id": number,
    }
