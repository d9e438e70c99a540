"""TFRecord: the original's features, padded, as TensorFlow and Protocol Buffers read them."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.errors import ConfigError, DataError
from bertdata.examples.config import ExamplesConfig
from bertdata.exports.export import export_examples
from bertdata.exports.rows import open_examples
from bertdata.exports.tfrecord import _to_varint, _to_varints
from bertdata.reference.command import main as make_reference
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.paths import RunPaths
from tests.bertdata.exports.consumers import program_of, run_consumer
from tests.bertdata.exports.stored_rows import rows_of
from tests.bertdata.exports.tensorflow_messages import read_records, to_row
from tests.copies import copy_folder
from tests.runs import edit_manifest

FIXTURES = Path(__file__).parents[2] / "fixtures" / "original"
LENGTH, PREDICTIONS = 32, 5
# What the original's `input_fn` does with each record, before it makes batches.
_AS_ORIGINAL = """
import json
converted = rows.map(lambda row: {
    name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
    for name, value in row.items()
})
batch = next(iter(converted.batch(8, drop_remainder=True)))
assert batch["input_ids"].shape == (8, 32) and batch["input_ids"].dtype == tf.int32
for record in tf.data.TFRecordDataset(files).take(50):
    example = tf.train.Example.FromString(record.numpy())
    assert example.SerializeToString(deterministic=True) == record.numpy()
print(json.dumps([{k: v.numpy().tolist() for k, v in row.items()} for row in converted]))
"""


def padded(row: dict[str, Any], length: int, predictions: int) -> dict[str, list[float]]:
    """A stored row as the original's features; [PAD] is 0."""
    pieces, start = len(row["input_ids"]), row["segment_b_start"]
    masked = len(row["masked_lm_ids"])

    def pad(values: list[float], to: int) -> list[float]:
        return values + [0] * (to - len(values))

    return {
        "input_ids": pad(row["input_ids"], length),
        "input_mask": pad([1] * pieces, length),
        "segment_ids": pad([0] * start + [1] * (pieces - start), length),
        "masked_lm_positions": pad(row["masked_lm_positions"], predictions),
        "masked_lm_ids": pad(row["masked_lm_ids"], predictions),
        "masked_lm_weights": pad([1.0] * masked, predictions),
        "next_sentence_labels": [row["next_sentence_label"]],
    }


@pytest.fixture(scope="module")
def exported(run: RunPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tfrecord") / "out"
    export_examples(open_examples(run.output), output, "tfrecord")
    return output


def read_split(folder: Path, split: str) -> list[dict[str, list[float]]]:
    files = sorted(folder.glob(f"{split}-*.tfrecord"))
    return [to_row(record) for file in files for record in read_records(file)]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_are_those_of_the_shards_padded(run: RunPaths, exported: Path, split: str) -> None:
    assert isinstance(run.examples, Path)
    rows = [padded(row, LENGTH, PREDICTIONS) for row in rows_of(run.examples, split)]
    assert len(rows) > 20
    assert read_split(exported, split) == rows


def test_tensorflow_reads_them_as_the_original_does(run: RunPaths, exported: Path) -> None:
    assert isinstance(run.examples, Path)
    found = run_consumer("TensorFlow", program_of(exported) + _AS_ORIGINAL, exported.parent)
    wanted = [padded(row, LENGTH, PREDICTIONS) for row in rows_of(run.examples, "train")]
    assert found == wanted


@pytest.mark.parametrize("case", ["defaults", "whole-words", "cased-short"])
def test_the_reference_s_rows_are_the_original_s(case: str, tmp_path: Path) -> None:
    """What `create_pretraining_data.py` made of the same text with the same flags."""
    flags = json.loads((FIXTURES / f"{case}.json").read_text())
    vocabulary = read_vocabulary(FIXTURES / flags["vocab_file"])
    _make_examples(tmp_path / "examples", flags, vocabulary)
    export_examples(open_examples(tmp_path), tmp_path / "out", "tfrecord")
    lines = (FIXTURES / f"{case}.jsonl").read_text().splitlines()
    rows = [
        {**row, "segment_b_start": row["token_type_ids"].count(0)} for row in map(json.loads, lines)
    ]
    sizes = flags["max_seq_length"], flags["max_predictions_per_seq"]
    assert read_split(tmp_path / "out", "train") == [padded(row, *sizes) for row in rows]


def _make_examples(folder: Path, flags: dict[str, Any], vocabulary: Vocabulary) -> None:
    """A folder of examples with the rows that the reference makes."""
    shard = folder / "train-00000-of-00001.arrow"
    folder.mkdir()
    files = {name: FIXTURES / flags[name] for name in ("input_file", "vocab_file")}
    given = {**flags, **files, "output_file": shard}
    assert make_reference([f"--{name}={value}" for name, value in given.items()]) == 0
    names = ("max_seq_length", "max_predictions_per_seq")
    config = asdict(ExamplesConfig(**{name: flags[name] for name in names}))
    special = asdict(vocabulary.special)
    about = {"sha256": vocabulary.fingerprint, "size": vocabulary.size, "special": special}
    num_rows = pa.ipc.open_file(shard).read_all().num_rows
    manifest = make_manifest(
        "examples",
        config={"examples": config},
        inputs={"vocabulary": about},
        counts={},
        shards=[describe_file(shard, num_rows)],
    )
    write_manifest(folder, manifest)


def test_rows_longer_than_the_configuration_are_refused(run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.examples, Path)
    copy_folder(run.examples, tmp_path / "examples")

    def shorten(table: dict[str, Any]) -> None:
        table["config"]["examples"]["max_seq_length"] = 16

    edit_manifest(tmp_path / "examples", shorten)
    with pytest.raises(DataError, match=r"train-.*arrow has a row of 32 input_ids, its manifest"):
        export_examples(open_examples(tmp_path), tmp_path / "out", "tfrecord")


def test_examples_without_masks_are_refused(run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.examples, Path)
    copy_folder(run.examples, tmp_path / "examples")

    def unmask(table: dict[str, Any]) -> None:
        table["config"]["examples"]["masking"] = "dynamic"

    edit_manifest(tmp_path / "examples", unmask)
    with pytest.raises(ConfigError, match=r'has no masks.*make it with masking = "static"'):
        export_examples(open_examples(tmp_path), tmp_path / "out", "tfrecord")
    assert not (tmp_path / "out").exists()


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), min_size=1))
def test_integers_of_any_size(rows: list[list[int]]) -> None:
    data, offsets = _to_varints(np.array(rows))
    expected = [b"".join(map(_to_varint, row)) for row in rows]
    assert [data[a:b] for a, b in itertools.pairwise(offsets)] == expected
