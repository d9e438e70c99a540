"""The loader reads the same steps, however many threads it has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from tests.trainer.steps import ALONE
from trainer.pretraining.batches import PaddedBatches
from trainer.pretraining.loader import Loader
from trainer.ranks import Ranks


def make_batches(tmp_path: Path) -> PaddedBatches:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    return PaddedBatches(reader, batch_size=4, seed=1, parts=2)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_steps_come_in_order_from_the_position_on(workers: int, tmp_path: Path) -> None:
    batches = make_batches(tmp_path)
    loader = Loader(batches, 8, ranks=ALONE, workers=workers)
    try:
        for position in (8, 12, 16):
            loaded = loader.next_step()
            assert loaded.rows.next_position == position + 4
            assert [part for part, _ in loaded.batches] == [0, 1]
            expected = batches.read(batches.rows_at(position), 1)
            assert loaded.batches[1][1].counts == expected.counts
    finally:
        loader.close()


def test_each_rank_reads_its_own_parts(tmp_path: Path) -> None:
    ranks = Ranks(device=torch.device("cpu"), rank=1, size=2)
    loaded = Loader(make_batches(tmp_path), 0, ranks=ranks, workers=0).next_step()
    assert [part for part, _ in loaded.batches] == [1]
