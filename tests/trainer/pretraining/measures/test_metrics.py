"""metrics.jsonl and the line on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address
from trainer.batch import Counts
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures import metrics
from trainer.pretraining.measures.metrics import Metrics, Timed, summarize


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


def test_at_an_address_there_is_no_tensorboard_and_lines_are_kept(s3: Address) -> None:
    first = Metrics(s3, step=0)
    for step in (1, 2, 3):
        first.write({"step": step, "mlm_loss": 1.5})
    first.flush()
    second = Metrics(s3, step=2)
    second.write({"step": 3, "mlm_loss": 2.5})
    second.flush()
    lines = [json.loads(line) for line in read_bytes(s3 / "metrics.jsonl").splitlines()]
    assert lines == [{"step": n, "mlm_loss": x} for n, x in ((1, 1.5), (2, 1.5), (3, 2.5))]
    assert [found.path for found in list_files(s3, recursive=True)] == ["metrics.jsonl"]
