"""A checkpoint that is loaded is the one that was written, of this run, with values it can have."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from bertdata.errors import DataError
from bertdata.storage.locations import Address
from tests.copies import write_bytes
from tests.trainer.models.test_bert import make_model
from tests.trainer.pretraining.checkpoint.test_writer import (
    IDENTITY,
    LIMITS,
    do_step,
    load,
    make_writer,
)
from trainer.models.bert import Bert
from trainer.models.tensor_file import write_tensors
from trainer.optim.config import OptimizerOptions
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.checkpoint.file import Content, open_content, write_content
from trainer.pretraining.checkpoint.folder import path_of
from trainer.pretraining.checkpoint.loading import load_checkpoint
from trainer.pretraining.checkpoint.progress import Limits, Progress
from trainer.pretraining.checkpoint.state import state_tensors

PROGRESS = Progress(steps=1, tokens=99, position=7, seconds=1.5)
WAY_OUT = "delete it to go on from the one before"


def make_run(**values: int) -> tuple[Bert, Optimizers]:
    model = make_model(num_layers=1, vocab_size=12, max_positions=8, **values)
    return model, Optimizers(model, OptimizerOptions(optimizer="muon"))


@functools.cache
def refusing_run() -> tuple[Bert, Optimizers]:
    """A run that no checkpoint is loaded into."""
    return make_run()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run after one step."""
    folder = tmp_path_factory.mktemp("checkpoints")
    model, optimizers = make_run()
    do_step(model, optimizers)
    writer = make_writer(folder, model, optimizers)
    writer.start(PROGRESS)
    writer.finish()
    return path_of(folder, 1)


@pytest.fixture
def content(written: Path) -> Iterator[Content]:
    """What it holds, to be changed."""
    with open_content(written) as found:
        yield Content(
            identity={**found.identity},
            progress={**found.progress},
            tensors={name: value.clone() for name, value in found.tensors.items()},
        )


def state_of(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    model, optimizers = make_run()
    progress, best = load(path, model, optimizers)
    assert best is None
    return progress, state_tensors(model, optimizers)


def message_of(path: Path) -> str:
    """The error over a checkpoint, which changes nothing of the run."""
    model, optimizers = refusing_run()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(DataError) as raised:
        load(path, model, optimizers)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    message = str(raised.value)
    assert message.startswith(f"{path} ")
    assert "\n" not in message
    return message


def is_same(path: Path, written: Path) -> bool:
    """Whether a file is loaded, and is the checkpoint that was written."""
    try:
        progress, tensors = state_of(path)
    except DataError:
        return False
    expected = state_of(written)[1]
    assert progress == PROGRESS
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in tensors.items())
    return True


def header_bytes(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


@pytest.mark.parametrize(
    "region", ["length", "header", "text", "digest", "first", "last", "middle"]
)
def test_a_flipped_bit_anywhere_is_noticed(written: Path, tmp_path: Path, region: str) -> None:
    data = bytearray(written.read_bytes())
    start = header_bytes(data)
    places = {
        "length": range(8),
        "header": range(start // 2, start // 2 + 40, 3),
        "text": range(data.index(b"identity"), data.index(b"identity") + 40, 3),
        "digest": [data.index(b'sha256":"') + 9, data.index(b'sha256":"') + 9 + 63],
        "first": [start],
        "last": [len(data) - 1],
        "middle": [(start + len(data)) // 2],
    }
    path = path_of(tmp_path, 1)
    for place in places[region]:
        for bit in (0, 6):
            data[place] ^= 1 << bit
            path.write_bytes(data)
            assert WAY_OUT in message_of(path)
            data[place] ^= 1 << bit


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_damage_loads_another_state(written: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Flipped bits, more of them in the header, and ends that are cut or longer."""
    found = bytearray(written.read_bytes())
    ends = st.sampled_from([header_bytes(found), len(found)])
    for place in data.draw(st.lists(ends.flatmap(lambda end: st.integers(0, end - 1)), max_size=3)):
        found[place] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.sampled_from([0, 0, 1, 300]))
    end = b"\0" * data.draw(st.sampled_from([0, 0, 1]))
    path = path_of(tmp_path, 1)
    path.write_bytes(bytes(found[: len(found) - cut]) + end)
    is_whole = path.read_bytes() == written.read_bytes()
    assert is_same(path, written) or not is_whole


def test_files_of_other_kinds_are_refused(written: Path, tmp_path: Path) -> None:
    path = path_of(tmp_path, 1)
    for data in (b"", b"\0" * 8, b"noise" * 100, b"\xff" * 64, written.read_bytes()[:-500]):
        path.write_bytes(data)
        assert "is damaged (" in message_of(path)
    write_tensors(path, {"model.a": torch.zeros(2)}, {"format": "pt"})
    assert "is damaged (it is not a checkpoint)" in message_of(path)
    path.unlink()
    said = "cannot be read: No such file or directory; make it readable, or"
    assert message_of(path) == f"{path} {said} {WAY_OUT}"


def test_a_checksum_of_its_own_makes_no_file_a_checkpoint(
    written: Path, tmp_path: Path, content: Content
) -> None:
    """Other keys, versions and types, with a checksum that is right."""
    tables: dict[str, Any] = {
        "it has no version": {},
        "it has version 2, this program reads 1": {"version": 2, "optimizer": "new"},
        "it has no key 'identity'": {"version": 1, "progress": {}},
        "it has an unknown key 'scaler'": {
            "version": 1,
            "identity": {},
            "progress": {},
            "scaler": 1,
        },
        "its progress is not a table": {"version": 1, "identity": {}, "progress": [1]},
    }
    path = path_of(tmp_path, 1)
    for reason, table in tables.items():
        write_raw(path, json.dumps(table), content.tensors)
        assert f"is damaged ({reason}); {WAY_OUT}" in message_of(path)
    for text in ("[1]", "nonsense", "[" * 200_000):
        write_raw(path, text, content.tensors)
        assert "is damaged (" in message_of(path)


def write_raw(path: Path, text: str, tensors: Any) -> None:
    """Write any text with the checksum that belongs to it."""
    from trainer.pretraining.checkpoint import file

    digest = file._digest(text, tensors)
    write_tensors(path, tensors, {"checkpoint": text, "sha256": digest})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("seed", 99, "it has seed = 99, this run 3"),
        ("learning_rate", 0.2, "it has learning_rate = 0.2, this run 0.1"),
        ("examples", "cd", "it has examples = cd, this run ab"),
        ("new", True, "it has new = True, this run None"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, content: Content, name: str, value: object, reason: str
) -> None:
    path = path_of(tmp_path, 1)
    identity = {**content.identity, name: value}
    write_content(
        path, Content(identity=identity, progress=content.progress, tensors=content.tensors)
    )
    message = message_of(path)
    assert reason in message
    assert WAY_OUT in message
    assert "choose another --output" in message


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("steps", 10**30, "steps must be from 1 to 9, got 1000000000"),
        ("steps", 10, "steps must be from 1 to 9, got 10"),
        ("steps", 2, "it is of step 2"),
        ("steps", -1, "steps must be from 1 to 9, got -1"),
        ("steps", 0, "steps must be from 1 to 9, got 0"),
        ("steps", "1", "progress steps must be an integer, got '1'"),
        ("steps", True, "progress steps must be an integer, got True"),
        ("steps", None, "progress steps must be an integer, got None"),
        ("steps", 1.0, "progress steps must be an integer, got 1.0"),
        ("tokens", 101, "tokens must be from 0 to 100, got 101"),
        ("phase", 2, "phase must be from 1 to 1, got 2"),
        ("phase", 0, "phase must be from 1 to 1, got 0"),
        ("position", 10**400, "position must be from 0 to 99, got 1"),
        ("position", -1, "position must be from 0 to 99, got -1"),
        ("skipped", 2, "skipped must be from 0 to 1, got 2"),
        ("skipped_in_row", 1, "skipped_in_row must be from 0 to 0, got 1"),
        ("best_loss", float("nan"), "best_loss must be from 0 to 3.5e+38, got nan"),
        ("best_loss", float("inf"), "best_loss must be from 0 to 3.5e+38, got inf"),
        ("best_loss", [], "progress best_loss must be a number, got []"),
        ("best_step", 2, "best_step must be from 0 to 1, got 2"),
        ("evaluations_since_best", 2, "evaluations_since_best must be from 0 to 1, got 2"),
        ("seconds", float("nan"), "seconds must be from 0 to 4.29497e+09, got nan"),
        ("seconds", 10**400, "progress seconds must be a number of 64 bits, got 1"),
        ("scale", 1, "progress has no key 'scale'"),
    ],
)
def test_progress_that_cannot_be(
    tmp_path: Path, content: Content, name: str, value: object, reason: str
) -> None:
    path = path_of(tmp_path, 1)
    progress = {**content.progress, name: value}
    write_content(
        path, Content(identity=content.identity, progress=progress, tensors=content.tensors)
    )
    message = message_of(path)
    assert f"is damaged ({reason}" in message
    assert WAY_OUT in message


@pytest.mark.parametrize("name", asdict(Progress()))
def test_progress_with_a_value_left_out(tmp_path: Path, content: Content, name: str) -> None:
    path = path_of(tmp_path, 1)
    progress = {key: value for key, value in content.progress.items() if key != name}
    write_content(
        path, Content(identity=content.identity, progress=progress, tensors=content.tensors)
    )
    assert f"is damaged (progress has no {name!r}); {WAY_OUT}" in message_of(path)


def _drop(tensors: dict[str, Tensor]) -> None:
    del tensors["model.pooler.bias"]


def _add(tensors: dict[str, Tensor]) -> None:
    tensors["ema.pooler.bias"] = tensors["model.pooler.bias"]


def _add_best(tensors: dict[str, Tensor]) -> None:
    tensors["best.pooler.bias"] = tensors["model.pooler.bias"]


def _reshape(tensors: dict[str, Tensor]) -> None:
    tensors["model.pooler.weight"] = tensors["model.pooler.weight"].view(-1)


def _break(name: str, value: float) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors[name].view(-1)[-1] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop, "it has no tensor model.pooler.bias"),
        (_add, "it has an unknown tensor ema.pooler.bias"),
        (_add_best, "it has an unknown tensor best.pooler.bias"),
        (_reshape, "model.pooler.weight is [256], not [16, 16]"),
        (_break("model.pooler.bias", float("nan")), "model.pooler.bias has numbers that are not"),
        (_break("model.pooler.bias", float("inf")), "model.pooler.bias has numbers that are not"),
        (_break("optimizer.0.0.exp_avg", -float("inf")), "optimizer.0.0.exp_avg has numbers that"),
        (_break("optimizer.1.0.momentum_buffer", float("nan")), "optimizer.1.0.momentum_buffer"),
        (_break("optimizer.0.0.exp_avg_sq", -1.0), "optimizer.0.0.exp_avg_sq is negative"),
        (_break("optimizer.0.0.step", -1.0), "optimizer.0.0.step is negative"),
        (_break("optimizer.0.0.step", 2.0), "optimizer.0.0.step is 2 after 1 steps"),
    ],
)
def test_tensors_that_cannot_be(
    tmp_path: Path, content: Content, change: Callable[[dict[str, Tensor]], None], reason: str
) -> None:
    path = path_of(tmp_path, 1)
    tensors = dict(content.tensors)
    change(tensors)
    write_content(
        path, Content(identity=content.identity, progress=content.progress, tensors=tensors)
    )
    message = message_of(path)
    assert f"is damaged ({reason}" in message
    assert WAY_OUT in message


def test_numbers_of_another_type_are_refused(written: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    with safe_open(written, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(written)
    for dtype in (torch.float64, torch.int32, torch.bfloat16):
        path = path_of(tmp_path, 1)
        changed = {**tensors, "model.pooler.bias": tensors["model.pooler.bias"].to(dtype)}
        save_file(changed, path, metadata)
        assert "is damaged (model.pooler.bias is not of single precision)" in message_of(path)


def test_the_best_parameters_are_there_exactly_if_they_can_be(
    written: Path, tmp_path: Path
) -> None:
    model, optimizers = make_run()
    do_step(model, optimizers)
    limits = Limits(steps=9, tokens=900, step_tokens=100, phases=1, has_best=True)
    best = {name: value + 1 for name, value in model.state_dict().items()}
    writer = make_writer(tmp_path, model, optimizers)
    writer.start(Progress(steps=1, best_loss=2.0, best_step=1), best)
    writer.finish()
    _, found = load_checkpoint(path_of(tmp_path, 1), *make_run(), identity=IDENTITY, limits=limits)
    assert found is not None
    assert found.keys() == best.keys()
    assert all(torch.equal(value, best[name]) for name, value in found.items())
    with pytest.raises(DataError, match=r"unknown tensor best\.embeddings"):
        load_checkpoint(path_of(tmp_path, 1), *make_run(), identity=IDENTITY, limits=LIMITS)
    writer.start(Progress(steps=2, best_loss=2.0, best_step=1))
    writer.finish()
    with pytest.raises(DataError, match=r"no tensor best\.embeddings"):
        load_checkpoint(path_of(tmp_path, 2), *make_run(), identity=IDENTITY, limits=limits)


def test_a_model_of_another_shape_is_refused(written: Path) -> None:
    with pytest.raises(DataError, match=r"is \[12, 16\], not \[12, 8\]"):
        load(written, *make_run(hidden_size=8))


def test_a_checkpoint_at_an_address(written: Path, s3: Address) -> None:
    data = bytearray(written.read_bytes())
    write_bytes(path_of_address(s3), bytes(data))
    model, optimizers = make_run()
    progress, _ = load(path_of_address(s3), model, optimizers)
    assert progress == PROGRESS
    expected = state_of(written)[1]
    for name, value in state_tensors(model, optimizers).items():
        assert torch.equal(value, expected[name])
    data[-1] ^= 1
    write_bytes(path_of_address(s3), bytes(data))
    with pytest.raises(DataError, match=r"is damaged \(its checksum is wrong\)"):
        load(path_of_address(s3), model, optimizers)


def path_of_address(folder: Address) -> Address:
    path = path_of(folder, 1)
    assert isinstance(path, Address)
    return path
