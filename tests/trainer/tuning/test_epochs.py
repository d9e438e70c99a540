"""Which epoch is kept, and with which rows, rates and random numbers each step is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.task_files import make_texts, write_model
from trainer.models.export import load_encoder, load_shape
from trainer.texts.encoder import TextEncoder
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.data import TaskData
from trainer.tuning.heads import TaskModel
from trainer.tuning.tasks import TaskRow
from trainer.tuning.training import Scores, TaskTrainer, Trained

CONFIG = FinetuneConfig(epochs=3, batch_size=4, learning_rate=1e-2, dropout=0.5, threads=1)
LABELS = ("neg", "pos")


class Watched(TaskTrainer):
    """A trainer whose evaluations are given; it keeps the parameters of every epoch."""

    def __init__(self, config: FinetuneConfig, scores: Sequence[Scores]) -> None:
        super().__init__(config, LABELS, torch.device("cpu"), lambda line: None)
        self._scores = iter(scores)
        self.parameters: list[dict[str, torch.Tensor]] = []

    def evaluate(self, model: TaskModel, data: TaskData) -> Scores:
        model.eval()  # as an evaluation does
        self.parameters.append({n: p.detach().clone() for n, p in model.named_parameters()})
        return next(self._scores)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def make_data(folder: Path) -> TaskData:
    rows = [
        TaskRow(where=str(i), text=text, text_pair=None, label=label)
        for i, (text, label) in enumerate(make_texts(10))
    ]
    return TaskData(rows, TextEncoder(folder, 24, load_shape(folder)), LABELS)


def make_task_model(folder: Path) -> TaskModel:
    torch.manual_seed(0)
    return TaskModel(load_encoder(folder, dropout=0.5)[0], 2, per_word=False)


def scores_of(accuracies: Sequence[float], losses: Sequence[float]) -> list[Scores]:
    return [{"accuracy": a, "loss": loss} for a, loss in zip(accuracies, losses, strict=True)]


@pytest.mark.parametrize(
    ("select_by", "accuracies", "losses", "best"),
    [
        ("accuracy", (0.5, 0.9, 0.7), (1, 3, 2), 2),
        ("accuracy", (0.9, 0.5, 0.7), (1, 3, 2), 1),
        ("accuracy", (0.5, 0.7, 0.9), (1, 3, 2), 3),
        ("accuracy", (0.9, 0.9, 0.9), (2, 1, 3), 2),  # of equal scores, the lower loss
        ("accuracy", (0.9, 0.9, 0.9), (1, 1, 1), 1),  # of equal losses, the first
        ("loss", (0.5, 0.7, 0.9), (2, 1, 3), 2),
    ],
)
def test_the_parameters_of_the_best_epoch_are_kept(
    folder: Path,
    select_by: str,
    accuracies: Sequence[float],
    losses: Sequence[float],
    best: int,
) -> None:
    trainer = Watched(replace(CONFIG, select_by=select_by), scores_of(accuracies, losses))
    model, data = make_task_model(folder), make_data(folder)
    trained: Trained = trainer.train(model, data, data, seed=1)
    assert trained.best.epoch == best
    assert [epoch.validation["loss"] for epoch in trained.epochs] == list(losses)
    used = model.used_parameters()
    assert all(torch.equal(trainer.parameters[best - 1][name], used[name]) for name in used)
    name = "classifier.weight"
    assert len({str(epoch[name].tolist()) for epoch in trainer.parameters}) == 3


class Steps:
    """What every step of a training finds: its seed, its rows, its rate, gradients left over."""

    def __init__(self, model: TaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seeds: list[int] = []
        self.texts: list[list[list[int]]] = []
        self.rates: list[float] = []
        self.model = model
        model.register_forward_pre_hook(self._look)
        step = torch.optim.AdamW.step

        def note(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
            self.rates.append(optimizer.param_groups[0]["lr"])
            return step(optimizer, *arguments)

        monkeypatch.setattr(torch.optim.AdamW, "step", note)

    def _look(self, model: torch.nn.Module, arguments: Any) -> None:
        assert model.training
        assert all(parameter.grad is None for parameter in model.parameters())
        self.seeds.append(torch.initial_seed())
        self.texts.append(arguments[0].input_ids_BL.tolist())


@pytest.mark.parametrize(
    ("seed", "seeds"), [(1, [0x58EB0FB1414CB843, 0x62B820C8D6FB4C3F]), (2, [0x6FF26D84CD582D48])]
)
def test_the_seed_of_dropout_is_of_seed_and_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, seeds: list[int]
) -> None:
    model, data = make_task_model(folder), make_data(folder)
    steps = Steps(model, monkeypatch)
    Watched(CONFIG, scores_of((0.5,) * 3, (1,) * 3)).train(model, data, data, seed=seed)
    assert steps.seeds[: len(seeds)] == seeds
    assert len(set(steps.seeds)) == 9


def test_each_epoch_has_its_own_order_and_the_rate_its_schedule(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = make_task_model(folder), make_data(folder)
    steps = Steps(model, monkeypatch)
    config = replace(CONFIG, warmup_fraction=0.34)
    Watched(config, scores_of((0.5,) * 3, (1,) * 3)).train(model, data, data, seed=1)
    wanted = [rows for epoch in range(3) for rows in data.epoch(4, seed=1, epoch=epoch)]
    device = torch.device("cpu")
    assert steps.texts == [data.batch(rows, device).text.input_ids_BL.tolist() for rows in wanted]
    factors = [1 / 3, 2 / 3, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert steps.rates == pytest.approx([1e-2 * factor for factor in factors])


def test_an_evaluation_drops_nothing_out_and_is_in_the_order_of_the_rows(folder: Path) -> None:
    model, data = make_task_model(folder), make_data(folder)
    trainer = TaskTrainer(CONFIG, LABELS, torch.device("cpu"), lambda line: None)
    model.train()
    together_NC = trainer.predict(model, data)
    one_by_one = [
        model(batch.text, batch.wanted_BQ, batch.places_N)
        for row in range(10)
        for batch in [data.batch(np.array([row]), torch.device("cpu"))]
    ]
    torch.testing.assert_close(together_NC, torch.cat(one_by_one).detach())
