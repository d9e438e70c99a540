"""Which seed's model is exported, and what each seed begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bertdata.errors import ConfigError
from bertdata.storage.writing import write_json
from tests.trainer.task_files import make_texts, write_model, write_tsv
from trainer.models.export import load_encoder
from trainer.tuning import finetune as module
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.finetune import finetune
from trainer.tuning.heads import TaskModel
from trainer.tuning.training import TaskTrainer, Trained, _Epoch


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    train = write_tsv(tmp_path / "train.tsv", make_texts(24))
    return {"model": write_model(tmp_path), "train": train, "output": tmp_path / "out"}


def give_scores(scores: Mapping[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed has this score and loss 1; its model is marked with the seed."""

    def train(self: TaskTrainer, model: TaskModel, *data: Any, seed: int) -> Trained:
        torch.nn.init.constant_(model.classifier.bias, seed)
        validation = {"accuracy": scores[seed], "loss": 1.0}
        epoch = _Epoch(epoch=1, train_loss=0.0, validation=validation)
        return Trained(seed=seed, epochs=[epoch], best=epoch)

    monkeypatch.setattr(TaskTrainer, "train", train)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({1: 0.5, 2: 0.9, 3: 0.7}, 2),
        ({1: 0.9, 2: 0.5, 3: 0.7}, 1),
        ({1: 0.5, 2: 0.7, 3: 0.9}, 3),
        ({1: 0.9, 2: 0.9, 3: 0.9}, 1),
    ],
)
def test_the_model_of_the_best_seed_is_exported(
    files: dict[str, Path],
    scores: dict[int, float],
    best: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_scores(scores, monkeypatch)
    results = finetune(**files, config=FinetuneConfig(seeds=(1, 2, 3), threads=1))
    assert results["best_seed"] == best
    weights = load_file(files["output"] / "model.safetensors")
    assert weights["classifier.bias"].tolist() == [best, best]
    written = json.loads((files["output"] / "results.json").read_bytes())
    assert written == results
    assert written["finished"] is True


def test_each_seed_begins_with_a_head_of_its_own(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeds of torch never change, or the same command would make another model."""
    seeds: list[int] = []
    heads: list[list[float]] = []

    def note(*arguments: Any, **options: Any) -> Any:
        seeds.append(torch.initial_seed())
        return load_encoder(*arguments, **options)

    def train(self: TaskTrainer, model: TaskModel, *data: Any, seed: int) -> Trained:
        heads.append(model.classifier.weight.flatten().tolist())
        epoch = _Epoch(epoch=1, train_loss=0.0, validation={"accuracy": 1.0, "loss": 1.0})
        return Trained(seed=seed, epochs=[epoch], best=epoch)

    monkeypatch.setattr(module, "load_encoder", note)
    monkeypatch.setattr(TaskTrainer, "train", train)
    finetune(**files, config=FinetuneConfig(seeds=(1, 2), threads=1))
    assert seeds == [0x5FDD1E6FCECC8C49, 0x70C31CCBD98BB04D]
    assert heads[0] != heads[1]


def test_a_model_of_which_nothing_says_that_it_is_unfinished_is_kept(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_scores({1: 0.5}, monkeypatch)
    config = FinetuneConfig(threads=1)
    results = finetune(**files, config=config)
    del results["finished"]
    write_json(files["output"] / "results.json", results)
    with pytest.raises(ConfigError, match="holds a finished model"):
        finetune(**files, config=config)


def test_predictions_of_an_earlier_run_go(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_scores({1: 0.5}, monkeypatch)
    test = write_tsv(files["train"].with_name("test.tsv"), make_texts(3))
    config = FinetuneConfig(threads=1)
    finetune(**files, test=test, config=config)
    assert (files["output"] / "predictions-test.jsonl").exists()
    finetune(**files, config=config, overwrite=True)
    assert not (files["output"] / "predictions-test.jsonl").exists()
