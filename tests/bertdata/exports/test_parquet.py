"""Parquet: what pyarrow and Hugging Face's datasets make of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import List, Value, load_dataset

from bertdata.exports import parquet
from bertdata.exports.export import export_examples
from bertdata.exports.rows import ShardRows, open_examples
from bertdata.storage.shards import open_arrow
from flows.paths import RunPaths
from tests.bertdata.exports.stored_rows import rows_of


@pytest.fixture(scope="module")
def exported(run: RunPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("parquet") / "out"
    export_examples(open_examples(run.output), output, "parquet")
    return output


def test_datasets_loads_the_folder_by_its_card(
    run: RunPaths, exported: Path, tmp_path: Path
) -> None:
    assert isinstance(run.examples, Path)
    loaded = load_dataset(str(exported), cache_dir=str(tmp_path))
    assert list(loaded) == ["train", "validation"]
    for split, rows in loaded.items():
        assert list(rows) == rows_of(run.examples, split)
    assert loaded["train"].features == {
        "input_ids": List(Value("uint16")),
        "segment_b_start": Value("uint16"),
        "masked_lm_positions": List(Value("uint16")),
        "masked_lm_ids": List(Value("uint16")),
        "next_sentence_label": Value("uint8"),
        "document_id": Value("uint64"),
    }


def test_datasets_streams_the_files(run: RunPaths, exported: Path) -> None:
    assert isinstance(run.examples, Path)
    files = str(exported / "train-*.parquet")
    rows = load_dataset("parquet", data_files=files, split="train", streaming=True)
    assert list(rows) == rows_of(run.examples, "train")


def test_columns_and_version_are_those_of_the_shards(run: RunPaths, exported: Path) -> None:
    found = pq.read_schema(exported / "validation-00000-of-00001.parquet")
    wanted = open_examples(run.output).schema
    assert found.metadata == wanted.metadata
    assert found.names == wanted.names
    assert pq.read_table(exported / "train-00000-of-00003.parquet").cast(wanted).num_rows > 0


def test_groups_of_rows_are_bounded(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = open_examples(run.output)
    with open_arrow(run.examples / "train-00000-of-00003.arrow") as reader:
        table = reader.read_all()
    monkeypatch.setattr(parquet, "_GROUP_ROWS", 8)
    blocks = table.to_batches(max_chunksize=5)
    rows = ShardRows(
        examples=examples, path=run.examples, num_rows=table.num_rows, blocks=iter(blocks)
    )
    parquet.write_parquet(tmp_path / "rows.parquet", rows)
    metadata = pq.ParquetFile(tmp_path / "rows.parquet").metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sum(groups) == table.num_rows > 20
    assert set(groups[:-1]) == {10}
