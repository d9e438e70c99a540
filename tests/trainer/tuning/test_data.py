"""Batches of rows: which rows, and where answers are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.trainer.task_files import write_model
from trainer.models.export import load_shape
from trainer.texts.encoder import TextEncoder
from trainer.tuning.data import TaskData
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


def test_words_are_read_at_their_first_piece(tmp_path: Path) -> None:
    batch = make_data(tmp_path).batch(np.array([0, 2]), torch.device("cpu"))
    assert batch.wanted_BQ.tolist() == [[1, 0, 0], [1, 2, 3]]
    assert batch.places_N.tolist() == [0, 3, 4, 5]
    assert batch.targets_N is not None
    assert batch.targets_N.tolist() == [0, 0, 0, 0]
