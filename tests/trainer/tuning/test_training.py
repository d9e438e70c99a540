"""One seed of fine-tuning: the best epoch is kept, and no model that is not finite is written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bertdata.errors import BertdataError
from tests.limits import limit_file_sizes
from tests.trainer.task_files import make_texts, write_model, write_tsv
from trainer.optim import optimizers
from trainer.tuning import training
from trainer.tuning.__main__ import main
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.data import TaskData
from trainer.tuning.finetune import finetune
from trainer.tuning.heads import TaskModel
from trainer.tuning.training import Scores, TaskTrainer


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


@pytest.fixture
def limited() -> Iterator[None]:
    with limit_file_sizes(5000):
        yield


def weights_of(model: TaskModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.used_parameters().items()}


def test_the_weights_of_the_best_epoch_are_kept_whatever_follows(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three epochs; the last, which is worse, has other weights."""
    given = iter([0.5, 0.9, 0.7])
    seen: list[dict[str, Tensor]] = []
    trained: list[TaskModel] = []

    def score(_: TaskTrainer, model: TaskModel, __: TaskData) -> Scores:
        seen.append(weights_of(model))
        trained.append(model)
        return {"accuracy": next(given), "loss": 1.0}

    monkeypatch.setattr(TaskTrainer, "evaluate", score)
    train = write_tsv(tmp_path / "train.tsv", make_texts(24))
    config = FinetuneConfig(epochs=3, batch_size=8, learning_rate=1e-2, threads=1)
    results = finetune(model=model, train=train, output=tmp_path / "out", config=config)
    assert results["seeds"][0]["best_epoch"] == 2
    exported = weights_of(trained[-1])
    for name, value in exported.items():
        assert torch.equal(value, seen[1][name]), name
    changed = [name for name, value in exported.items() if not torch.equal(value, seen[2][name])]
    assert len(changed) > len(exported) / 2


def test_a_model_that_is_not_finite_is_not_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The only step makes the weights so large that nothing can be computed with them."""
    train, output = write_tsv(tmp_path / "train.tsv", make_texts(20)), tmp_path / "out"
    one_step = (f"--train={train}", f"--output={output}", "--epochs=1", "--batch-size=32")
    large = ("--learning-rate=1e30", "--warmup-fraction=0", "--threads=1")
    assert main([str(model), *one_step, *large]) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        "error: the validation loss is (nan|inf) at step 1; lower --learning-rate", error
    )
    assert not output.exists()


def test_a_full_disk_is_one_line(
    model: Path, tmp_path: Path, limited: None, capsys: pytest.CaptureFixture[str]
) -> None:
    train, output = write_tsv(tmp_path / "train.tsv", make_texts(20)), tmp_path / "out"
    assert main([str(model), f"--train={train}", f"--output={output}", "--epochs=1"]) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: cannot write {output}/model.safetensors: File too large; ")
    assert not list(output.glob("*.safetensors")) + list(output.glob(".*"))


def test_a_gradient_that_is_not_finite_stops(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the loss is."""

    def clip(model: TaskModel, max_norm: float) -> Tensor:
        next(iter(model.used_parameters().values())).grad.fill_(math.inf)  # type: ignore[union-attr]
        return optimizers.clip_gradients(model, max_norm)

    monkeypatch.setattr(training, "clip_gradients", clip)
    train = write_tsv(tmp_path / "train.tsv", make_texts(20))
    config = FinetuneConfig(epochs=1, threads=1)
    with pytest.raises(BertdataError, match="the gradient norm is inf at step 0; lower --learning"):
        finetune(model=model, train=train, output=tmp_path / "out", config=config)
