"""Batches of rows: which rows, and where answers are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.task_files import write_model
from trainer.models.export import load_shape
from trainer.texts.encoder import TextEncoder
from trainer.tuning.data import TaskData, hold_out
from trainer.tuning.tasks import TaskRow

ROWS = [
    TaskRow(where=str(i), text=("good",) * (1 + i % 3), text_pair=None, label=("B",) * (1 + i % 3))
    for i in range(10)
]


def make_data(tmp_path: Path) -> TaskData:
    model = write_model(tmp_path)
    return TaskData(ROWS, TextEncoder(model, 24, load_shape(model)), ["B", "O"])


def test_an_epoch_has_every_row_once_and_follows_from_the_seed(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    batches = data.epoch(4, seed=1, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(10))
    again = data.epoch(4, seed=1, epoch=0)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))
    assert sorted(np.concatenate(data.by_length(3))) == list(range(10))


@pytest.mark.parametrize(
    ("seed", "epoch", "batches"),
    [
        (1, 0, [[0, 6, 9, 3], [7, 1, 4, 5], [2, 8]]),
        (1, 1, [[4, 1, 7, 8], [3, 6, 9, 0], [5, 2]]),
        (2, 0, [[8, 5], [9, 0, 6, 3], [7, 4, 1, 2]]),
    ],
)
def test_the_rows_of_an_epoch_never_change(
    tmp_path: Path, seed: int, epoch: int, batches: list[list[int]]
) -> None:
    found = make_data(tmp_path).epoch(4, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in found] == batches


def test_rows_and_batches_have_orders_of_their_own(tmp_path: Path) -> None:
    """Batches as large as all rows show the order of rows, batches of one that of batches."""
    data = make_data(tmp_path)
    for batch_size in (1, 4):
        orders = [
            str(data.epoch(batch_size, seed=seed, epoch=epoch))
            for seed in (1, 2)
            for epoch in (0, 1)
        ]
        assert len(set(orders)) == 4


def test_the_rows_that_are_held_out_never_change() -> None:
    kept, held_out = hold_out(ROWS, 0.3)
    assert [row.where for row in held_out] == ["0", "8", "9"]
    assert [row.where for row in kept] == ["1", "2", "3", "4", "5", "6", "7"]
    assert len(hold_out(ROWS, 0.01)[1]) == 1


def test_words_that_are_cut_off_have_no_target(tmp_path: Path) -> None:
    rows = [TaskRow(where="0", text=("good",) * 30, text_pair=None, label=("O",) * 30)]
    model = write_model(tmp_path)
    data = TaskData(rows, TextEncoder(model, 24, load_shape(model)), ["B", "O"])
    assert data.targets().tolist() == [1.0] * 22
    assert data.num_cut == 1


def test_words_are_read_at_their_first_piece(tmp_path: Path) -> None:
    batch = make_data(tmp_path).batch(np.array([0, 2]), torch.device("cpu"))
    assert batch.wanted_BQ.tolist() == [[1, 0, 0], [1, 2, 3]]
    assert batch.places_N.tolist() == [0, 3, 4, 5]
    assert batch.targets_N is not None
    assert batch.targets_N.tolist() == [0, 0, 0, 0]
