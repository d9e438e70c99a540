"""How often pieces are to be predicted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import Folders, write_folders
from trainer.pretraining.measures import piece_counts
from trainer.pretraining.measures.piece_counts import count_masked_pieces


def open_split(folders: Folders, split: str) -> ExampleReader:
    return ExampleReader(folders.examples, folders.vocabulary, split=split)  # type: ignore[arg-type]


def test_counts_are_of_the_original_pieces_of_the_split(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    expected = Counter(id_ for row in folders.validation for id_ in row["masked_lm_ids"])
    counts = count_masked_pieces(open_split(folders, "validation"), seed=0)
    assert {i: int(n) for i, n in enumerate(counts) if n} == expected


def test_counts_are_a_copy_of_what_is_kept(tmp_path: Path) -> None:
    reader = open_split(write_folders(tmp_path), "validation")
    counts = count_masked_pieces(reader, seed=0)
    before = counts.tolist()
    counts[:] = 0
    assert count_masked_pieces(reader, seed=0).tolist() == before


def test_of_many_rows_a_spread_of_them_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piece_counts, "_BATCH_ROWS", 4)
    folders = write_folders(tmp_path, num_train=40)
    rows = [row for start in (0, 12, 24, 36) for row in folders.train[start : start + 4]]
    expected = Counter(id_ for row in rows for id_ in row["masked_lm_ids"])
    counts = count_masked_pieces(open_split(folders, "train"), seed=0, max_rows=16)
    assert {i: int(n) for i, n in enumerate(counts) if n} == expected
