"""When phase 2 begins, and with which batches, seeds and parts each phase works."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from tests.trainer.models.test_bert import make_model
from trainer.pretraining import phase as module
from trainer.pretraining.batches import PackedBatches, PaddedBatches
from trainer.pretraining.checkpoint import Progress
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.phase import _make_batches, is_phase_over, open_phase
from trainer.ranks import Ranks


def make_run(config: TrainConfig, folder: Path, **progress: Any) -> Any:
    """What a phase looks at of a run, with two ranks."""
    folders = write_folders(folder)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    done = Progress(**progress)
    return SimpleNamespace(
        config=config,
        seed=7,
        ranks=Ranks(device=torch.device("cpu"), rank=1, size=2),
        readers=SimpleNamespace(phases=[reader, reader], validation=reader),
        model=make_model(),
        progress=done,
        budget=config.length.budget,
        used=done.steps,
    )


@pytest.mark.parametrize(
    ("steps", "phase", "is_over"), [(7, 1, False), (8, 1, True), (9, 1, True), (9, 2, False)]
)
def test_phase_2_begins_exactly_at_its_share(
    steps: int, phase: int, is_over: bool, tmp_path: Path
) -> None:
    config = TrainConfig.of(steps=10, phase2_fraction=0.2, phase2_examples="longer")
    assert is_phase_over(make_run(config, tmp_path, steps=steps, phase=phase)) is is_over


def test_a_run_with_one_phase_stays_in_it(tmp_path: Path) -> None:
    run = make_run(TrainConfig.of(steps=10), tmp_path, steps=10)
    run.readers.phases = run.readers.phases[:1]
    assert not is_phase_over(run)


@pytest.mark.parametrize(("phase", "batch_size"), [(1, 8), (2, 6)])
def test_each_phase_has_batches_of_its_own_size(
    phase: int, batch_size: int, tmp_path: Path
) -> None:
    config = TrainConfig.of(batch_size=8, phase2_batch_size=6, group_by_length=1)
    run = make_run(config, tmp_path, phase=phase)
    step = _make_batches(run.readers.phases[0], run).rows_at(0)
    assert sum(map(len, step.rows)) == step.next_position == batch_size


@pytest.mark.parametrize("batch_tokens", [0, 240])
def test_batches_and_gradients_follow_from_the_run(
    batch_tokens: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seed, its position, and as many parts as all ranks accumulate."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(module, "Gradients", lambda *_, **options: given.update(options))
    config = TrainConfig.of(
        batch_size=12, batch_tokens=batch_tokens, accumulate=2, group_by_length=1, loader_workers=0
    )
    run = make_run(config, tmp_path, position=24)
    loaded = open_phase(run).loader.next_step()
    assert (given["seed"], given["num_parts"]) == (7, 4)
    assert [part for part, _ in loaded.batches] == [2, 3]
    reader = run.readers.phases[0]
    batches = (
        PackedBatches(reader, batch_tokens=batch_tokens, seed=7, parts=4)
        if batch_tokens
        else PaddedBatches(reader, batch_size=12, seed=7, parts=4)
    )
    wanted = batches.rows_at(24)
    assert [part.tolist() for part in loaded.rows.rows] == [part.tolist() for part in wanted.rows]
