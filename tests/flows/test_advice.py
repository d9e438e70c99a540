"""What an error of training names as the way out is followed, and works."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.storage.manifest import read_manifest
from flows.config import Run, RunConfig
from flows.finished import read_run
from flows.stages import train_model
from tests.runs import make_run, some_documents
from trainer.pretraining.config import TrainConfig

TRAIN = TrainConfig.of(
    num_layers=1,
    hidden_size=16,
    num_heads=1,
    steps=4,
    batch_size=8,
    checkpoint_every=2,
    device="cpu",
    threads=1,
)


def say(_: object) -> None:
    """Nothing."""


@pytest.mark.usefixtures("trainer_in_process")
def test_ways_out_of_training(tmp_path: Path) -> None:
    paths = make_run(tmp_path, some_documents())
    run = Run(config=RunConfig(train=TRAIN), base=tmp_path, paths=paths)
    train_model(run, say)
    model, before = paths.model, read_manifest(paths.model).content_sha256

    results = model / "results.json"
    results.write_text("{".ljust(results.stat().st_size))
    with pytest.raises(DataError, match=r"results\.json is damaged.*; delete it and train again"):
        read_run(paths)
    results.unlink()
    train_model(run, say)  # from the last checkpoint
    assert read_manifest(model).content_sha256 == before

    (model / "metrics.jsonl").write_text("[]\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl .*; delete it to do without the curves"):
        read_run(paths)
    (model / "metrics.jsonl").unlink()
    assert read_run(paths).metrics == ()

    (model / "manifest.json").unlink()  # as where the training was stopped
    other = replace(run, config=RunConfig(train=TRAIN.replaced(learning_rate=0.5)))
    with pytest.raises(ConfigError) as found:
        train_model(other, say)
    message = f"{model} holds a run with learning_rate = 0.001, not 0.5; choose another --output,"
    assert str(found.value) == f"{message} or delete that folder to train again"
    shutil.rmtree(model)
    train_model(other, say)
    assert read_manifest(model).content_sha256 != before
