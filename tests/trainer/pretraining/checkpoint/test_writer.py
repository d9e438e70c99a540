"""Checkpoints are written beside the training, whole, and hold the state of their own step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bertdata.errors import BertdataError
from bertdata.storage.locations import Location
from tests.limits import limit_file_sizes, mount_small_disk
from tests.trainer.models.test_bert import make_model
from trainer.models.bert import Bert
from trainer.optim.config import OptimizerOptions
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.checkpoint.folder import newest_checkpoint
from trainer.pretraining.checkpoint.loading import load_checkpoint
from trainer.pretraining.checkpoint.progress import Limits, Progress
from trainer.pretraining.checkpoint.state import Parameters
from trainer.pretraining.checkpoint.writer import CheckpointWriter

IDENTITY = {"seed": 3, "learning_rate": 0.1, "examples": "ab"}
LIMITS = Limits(steps=9, tokens=900, step_tokens=100, phases=1, has_best=False)


def make_writer(
    folder: Location, model: Bert, optimizers: Optimizers, keep: int = 2
) -> CheckpointWriter:
    return CheckpointWriter(folder, model, optimizers, identity=IDENTITY, keep=keep)


def load(path: Location, model: Bert, optimizers: Optimizers) -> tuple[Progress, Parameters | None]:
    return load_checkpoint(path, model, optimizers, identity=IDENTITY, limits=LIMITS)


def do_step(model: Bert, optimizers: Optimizers) -> None:
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizers.step(1.0)


def test_a_checkpoint_holds_its_own_step_whatever_follows(tmp_path: Path) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions(optimizer="muon"))
    writer = make_writer(tmp_path, model, optimizers)
    do_step(model, optimizers)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    writer.start(Progress(steps=1, tokens=99, position=7))
    writer.wait_until_copied()
    do_step(model, optimizers)
    writer.finish()
    fresh = make_model()
    fresh_optimizers = Optimizers(fresh, OptimizerOptions(optimizer="muon"))
    path = newest_checkpoint(tmp_path)
    assert path is not None
    progress, _ = load(path, fresh, fresh_optimizers)
    assert progress == Progress(steps=1, tokens=99, position=7)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, expected[name]), name
    do_step(fresh, fresh_optimizers)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_first_checkpoint_goes_to_memory_taken_before_the_first_step(
    tmp_path: Path, optimizer: str
) -> None:
    model, expected = make_model(), make_model()
    optimizers = Optimizers(model, OptimizerOptions(optimizer=optimizer))
    writer = make_writer(tmp_path, model, optimizers)
    optimizers.make_state()
    writer.make_room()
    taken = {name: tensor.data_ptr() for name, tensor in writer._host.items()}
    do_step(model, optimizers)
    do_step(expected, Optimizers(expected, OptimizerOptions(optimizer=optimizer)))
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name]), name
    writer.start(Progress(steps=1))
    writer.finish()
    assert {name: tensor.data_ptr() for name, tensor in writer._host.items()} == taken
    assert len(writer.waits) == 1


def test_later_checkpoints_reuse_memory_and_older_ones_go_after_success(tmp_path: Path) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions())
    writer = make_writer(tmp_path, model, optimizers)
    for steps in range(1, 5):
        do_step(model, optimizers)
        writer.start(Progress(steps=steps))
        writer.wait_until_copied()
    writer.finish()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000003.safetensors", "step-00000004.safetensors"]
    fresh = make_model()
    load(tmp_path / names[-1], fresh, Optimizers(fresh, OptimizerOptions()))
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_step_is_written_once(tmp_path: Path) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions())
    writer = make_writer(tmp_path, model, optimizers)
    do_step(model, optimizers)
    writer.start(Progress(steps=1))
    writer.finish()
    written = (tmp_path / "step-00000001.safetensors").stat()
    writer.start(Progress(steps=1))
    writer.finish()
    assert len(writer.waits) == 1
    assert (tmp_path / "step-00000001.safetensors").stat().st_ino == written.st_ino


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the file of a descriptor")
def test_a_checkpoint_has_its_name_on_disk_before_an_older_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut one of them is there."""
    model, calls = make_model(), []
    writer = make_writer(tmp_path / "c", model, Optimizers(model, OptimizerOptions()), keep=1)
    writer.start(Progress(steps=1))
    writer.finish()
    sync, replace, unlink = os.fsync, os.replace, os.unlink

    def note_sync(number: int) -> None:
        name = Path(f"/proc/self/fd/{number}").readlink().name
        calls.append("sync the file" if name.endswith(".tmp") else f"sync {name}")
        sync(number)

    def note_replace(source: Path, target: Path) -> None:
        calls.append(f"rename to {Path(target).name}")
        replace(source, target)

    def note_unlink(path: Path) -> None:
        if Path(path).exists():
            calls.append(f"remove {Path(path).name}")
        unlink(path)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.setattr(os, "unlink", note_unlink)
    writer.start(Progress(steps=2))
    writer.finish()
    first, second = (f"step-0000000{n}.safetensors" for n in (1, 2))
    assert calls == ["sync the file", f"rename to {second}", "sync c", f"remove {first}"]


def test_what_cannot_be_written_is_said_and_removes_nothing(tmp_path: Path) -> None:
    model = make_model()
    writer = make_writer(tmp_path / "c", model, Optimizers(model, OptimizerOptions()), keep=1)
    writer.start(Progress(steps=1))
    writer.finish()
    (tmp_path / "c" / "step-00000002.safetensors").mkdir()
    writer.start(Progress(steps=2))
    writer.wait_until_copied()
    with pytest.raises(BertdataError, match="cannot write"):
        writer.finish()
    assert (tmp_path / "c" / "step-00000001.safetensors").is_file()


def test_a_file_that_may_not_grow_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    model = make_model()
    writer = make_writer(tmp_path, model, Optimizers(model, OptimizerOptions()))
    with limit_file_sizes(5000):
        writer.start(Progress(steps=1))
        with pytest.raises(BertdataError) as raised:
            writer.finish()
    said = f"cannot write {tmp_path}/step-00000001.safetensors: File too large; "
    assert str(raised.value).startswith(said)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    with mount_small_disk(tmp_path / "disk", "64k") as folder:
        yield folder


def test_a_full_disk_is_one_line_and_leaves_the_checkpoint_before(small_disk: Path) -> None:
    model = make_model(num_layers=1)
    optimizers = Optimizers(model, OptimizerOptions())
    writer = make_writer(small_disk, model, optimizers, keep=1)
    do_step(model, optimizers)
    writer.start(Progress(steps=1, tokens=9))
    writer.finish()
    before = (small_disk / "step-00000001.safetensors").read_bytes()
    assert len(before) > 32_000  # a second does not fit
    writer.start(Progress(steps=2, tokens=9))
    with pytest.raises(BertdataError) as raised:
        writer.finish()
    path = small_disk / "step-00000002.safetensors"
    way_out = "free some space and run again"
    assert str(raised.value) == f"cannot write {path}: No space left on device; {way_out}"
    assert [path.read_bytes() for path in small_disk.iterdir()] == [before]


@pytest.mark.parametrize("part", ["parameter", "state", "best"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_is_not_finite_takes_the_place_of_no_checkpoint(
    tmp_path: Path, part: str, value: float
) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions())
    writer = make_writer(tmp_path, model, optimizers, keep=1)
    do_step(model, optimizers)
    best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    writer.start(Progress(steps=1), best)
    broken = {
        "parameter": model.pooler.bias.data,
        "state": optimizers.state_dict()[0]["state"][3]["exp_avg_sq"],
        "best": best["pooler.bias"],
    }
    writer.finish()
    broken[part].view(-1)[2] = value
    writer.start(Progress(steps=2), best)
    with pytest.raises(BertdataError, match=r"is not finite after step 2, .* lower learning_rate"):
        writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.safetensors"]


def test_the_best_parameters_are_not_copied(tmp_path: Path) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions())
    writer = make_writer(tmp_path, model, optimizers)
    optimizers.make_state()
    writer.make_room()
    taken = set(writer._host)
    writer.start(Progress(steps=1), dict(model.state_dict()))
    writer.finish()
    assert set(writer._host) == taken
