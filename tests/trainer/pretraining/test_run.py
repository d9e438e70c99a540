"""A run that is opened, prepared, trained for some steps, resumed and finished, piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.errors import ConfigError
from tests.example_folder import Folders, write_folders
from tests.trainer.steps import ALONE
from tests.trainer.test_pretrain import CONFIG
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.loop import train
from trainer.pretraining.phase import is_phase_over, open_phase
from trainer.pretraining.results import finish
from trainer.pretraining.resume import prepare
from trainer.pretraining.run import Run, open_run, validate
from trainer.pretraining.start.model import check_examples


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_folders(tmp_path_factory.mktemp("data"))


def open_in(output: Path, folders: Folders, config: TrainConfig = CONFIG) -> Run:
    output.mkdir(exist_ok=True)
    return open_run(folders.examples, folders.vocab, output, config=config, seed=1, ranks=ALONE)


def test_a_run_in_pieces(folders: Folders, tmp_path: Path) -> None:
    run = open_in(tmp_path / "run", folders)
    prepare(run, resume=True)
    assert (run.used, run.budget.total) == (0, 12)
    before = validate(run)
    assert not train(run, lambda: run.progress.steps == 5)
    resumed = open_in(tmp_path / "run", folders)
    prepare(resumed, resume=True)
    assert resumed.progress == run.progress
    assert train(resumed, lambda: False)
    results = finish(resumed)
    assert (results.steps, results.exported_step) == (12, 12)
    assert before.mlm_loss is not None
    assert results.mlm_loss is not None
    assert results.mlm_loss < before.mlm_loss
    with pytest.raises(ConfigError, match=r"with learning_rate = 0\.001, not 0\.5"):
        prepare(open_in(tmp_path / "run", folders, CONFIG.replaced(learning_rate=0.5)), resume=True)
    description = json.loads((tmp_path / "run/run.json").read_bytes())
    assert description["batch_size"] == 4
    assert "log_every" not in description


def test_phase_2_begins_when_its_share_of_the_run_is_left(folders: Folders, tmp_path: Path) -> None:
    second = write_folders(tmp_path / "second", length=30)
    config = CONFIG.replaced(
        phase2_examples=str(second.examples), phase2_fraction=0.25, phase2_batch_size=2
    )
    run = open_in(tmp_path / "run", folders, config)
    run.progress.steps = 8
    assert not is_phase_over(run)
    run.progress.steps = 9
    assert is_phase_over(run)
    run.progress.phase = 2
    phase = open_phase(run)
    assert not is_phase_over(run)
    assert phase.loader.next_step().rows.next_position == 2
    phase.loader.close()


def test_examples_longer_than_the_model_are_refused(folders: Folders, tmp_path: Path) -> None:
    run = open_in(tmp_path / "run", folders)
    longer = write_folders(tmp_path / "longer", length=60)
    reader = open_in(tmp_path / "other", longer, CONFIG.replaced(max_positions=64)).readers.phases[
        0
    ]
    with pytest.raises(ConfigError, match=r"the model reads 32; set max_positions to \d+, or make"):
        check_examples(run.model, reader, is_new=True)
