"""metrics.jsonl and the line on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from trainer.batch import Counts
from trainer.command import print_numbers
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures import metrics
from trainer.pretraining.measures.flops import peak_flops, step_flops
from trainer.pretraining.measures.metrics import Metrics, Timed, summarize
from trainer.shape import ModelConfig


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    first = Metrics(tmp_path, step=0)
    for step in (1, 2, 3):
        first.write({"step": step, "mlm_loss": 1.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ml')
    Metrics(tmp_path, step=2).write({"step": 3, "mlm_loss": 2.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": n, "mlm_loss": x} for n, x in ((1, 1.5), (2, 1.5), (3, 2.5))]


class FakeWriter:
    """In the place of torch's writer of TensorBoard's files."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.written: list[tuple[str, float, int]] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.written.append((name, value, step))

    def flush(self) -> None:
        self.written.append(("flush", 0.0, 0))


def test_tensorboard_gets_every_number_if_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FakeWriter("")
    tensorboard = ModuleType("torch.utils.tensorboard")
    monkeypatch.setattr(tensorboard, "SummaryWriter", lambda folder: writer, raising=False)
    monkeypatch.setitem(sys.modules, tensorboard.__name__, tensorboard)
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: name)
    Metrics(tmp_path, step=0).write({"step": 3, "mlm_loss": 1.5, "nsp_loss": None})
    assert writer.written == [("mlm_loss", 1.5, 3), ("flush", 0.0, 0)]


def test_tensorboard_reads_its_files(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Metrics(tmp_path, step=0)
    for step in (1, 2):
        log.write({"step": step, "mlm_loss": 6.5 - step})
    found = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("mlm_loss")] == [(1, 5.5), (2, 4.5)]


def test_without_tensorboard_a_folder_of_its_files_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    Metrics(tmp_path, step=0).write({"step": 1, "mlm_loss": 1.5})
    assert not (tmp_path / "tensorboard").exists()
    assert not capsys.readouterr().err
    (tmp_path / "tensorboard").mkdir()
    Metrics(tmp_path, step=1)
    assert "as tensorboard is not installed" in capsys.readouterr().err


def test_the_terminal_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_numbers({"step": 10, "mlm_loss": 6.54321, "nsp_loss": None})
    assert capsys.readouterr().out == "step 10  mlm loss 6.543  nsp loss -\n"


def make_result(loss: float, *, is_finite: bool = True) -> StepResult:
    counts = Counts(tokens=80, places=100, sequences=4, masked=10, squared_lengths=1600)
    return StepResult(
        loss=loss + 0.5,
        mlm_loss=loss,
        nsp_loss=0.5,
        mlm_accuracy=0.25,
        nsp_accuracy=0.75,
        gradient_norm=2.0,
        learning_rate=1e-3,
        is_finite=is_finite,
        counts=counts,
    )


def test_the_last_steps_are_summed_up_and_skipped_ones_left_out_of_means() -> None:
    steps = [
        Timed(result=make_result(2.0), seconds=1.0, wait_seconds=0.25),
        Timed(result=make_result(float("nan"), is_finite=False), seconds=2.0, wait_seconds=0.0),
        Timed(result=make_result(4.0), seconds=1.0, wait_seconds=0.25),
    ]
    found = summarize(steps, flops=1e12, peak_flops=1e12)
    assert (found["mlm_loss"], found["loss"]) == (3.0, 3.5)
    assert (found["mlm_accuracy"], found["nsp_accuracy"]) == (0.25, 0.75)
    assert found["tokens_per_second"] == 60
    assert (found["mfu"], found["data_wait_share"]) == (0.25, 0.125)
    assert found["padding_share"] == pytest.approx(0.2)
    assert summarize(steps[1:2], flops=1.0, peak_flops=None)["mlm_loss"] is None


def test_operations_of_a_step_by_hand() -> None:
    config = ModelConfig(
        vocab_size=1000, hidden_size=8, num_layers=3, num_heads=2, intermediate_size=32
    )
    counts = Counts(tokens=100, places=128, sequences=4, masked=15, squared_lengths=2600)
    matrices = 3 * (4 * 8 * 8 + 2 * 8 * 32)
    by_hand = 6 * (100 * matrices + 15 * (8 * 8 + 8 * 1000) + 4 * 8 * 8) + 12 * 3 * 8 * 2600
    assert step_flops(config, counts) == by_hand


def test_the_peak_is_known_or_given_or_left_open() -> None:
    cpu = torch.device("cpu")
    assert peak_flops(cpu, 0.0) is None
    assert peak_flops(cpu, 2.5) == 2.5e12
