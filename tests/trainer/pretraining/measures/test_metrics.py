"""metrics.jsonl and the line on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address
from trainer.batch import Counts
from trainer.pretraining.checkpoint import Progress
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures import metrics
from trainer.pretraining.measures.metrics import Log, Metrics, Timed, _duration, summarize


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


def make_log(folder: Path) -> Log:
    """Of a run that has trained for 10 s of 40 s, a quarter of it."""
    device = torch.device("cpu")
    progress = Progress(steps=2, seconds=10.0)
    return Log(folder, progress, share_done=0.25, device=device, peak_flops=None)


def test_a_report_is_of_the_steps_since_the_last_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = make_log(tmp_path)
    for loss in (2.0, 4.0):
        log.add(make_result(loss), seconds=1.0, wait_seconds=0.0, flops=1.0)
    assert log.has_news
    log.report(Progress(steps=4, seconds=20.0, tokens=160, skipped=1), share_done=0.5)
    assert not log.has_news
    log.add(make_result(8.0), seconds=1.0, wait_seconds=0.0, flops=1.0)
    log.report(Progress(steps=5, seconds=30.0), share_done=0.75)
    log.flush()
    first, second = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert (first["step"], first["mlm_loss"], first["tokens"]) == (4, 3.0, 160)
    assert (second["step"], second["mlm_loss"]) == (5, 8.0)
    # 40 s for a whole run: half of them are left, then a quarter.
    assert (first["seconds_left"], second["seconds_left"]) == (20.0, 10.0)
    assert first["skipped_steps"] == 1
    assert "left 20s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (81.2, "1m21s"), (3599, "59m59s"), (3661, "1h01m")],
)
def test_the_time_left_is_readable(seconds: float, shown: str) -> None:
    assert _duration(seconds) == shown
