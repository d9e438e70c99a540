"""No file is ever unpickled: what a pickle holds is a program."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bertdata.errors import DataError
from tests.example_folder import Folders, write_folders
from trainer.models.export import load_model
from trainer.pretrain import pretrain
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.run import CHECKPOINTS_NAME

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("bertdata", "vocab", "pipelines", "flows", "trainer")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CONFIG = TrainConfig.of(
    num_layers=1, hidden_size=16, num_heads=2, max_positions=32, steps=4, batch_size=4, threads=1
)


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def find_unpickling(source: str) -> Iterator[str]:
    """What in a module may unpickle a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            names = [(module or alias.name, alias.name) for alias in node.names]
            yield from (module for module, _ in names if module in UNPICKLERS)
        if isinstance(node, ast.Call):
            safe = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            called = ast.unparse(node.func)
            if called == "torch.load" and safe.get("weights_only") is not True:
                yield called
            if called in ("np.load", "numpy.load") and safe.get("allow_pickle", False) is not False:
                yield called


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_unpickles(room: str) -> None:
    modules = list((ROOT / room).rglob("*.py"))
    assert modules
    assert {m: found for m in modules if (found := [*find_unpickling(m.read_text())])} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("torch.load(p)", ["torch.load"]),
        ("torch.load(p, weights_only=False)", ["torch.load"]),
        ("np.load(p, allow_pickle=True)", ["np.load"]),
        ("np.load(p); torch.load(p, weights_only=True)", []),
    ],
)
def test_unpickling_is_found(source: str, found: list[str]) -> None:
    assert list(find_unpickling(source)) == found


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path / "data")


def write_bombs(path: Path, target: Path) -> Iterator[None]:
    """The bomb as torch writes it, and as a plain pickle."""
    torch.save({"progress": {}, "model": Bomb(target), "optimizers": []}, path)
    yield
    path.write_bytes(pickle.dumps(Bomb(target), protocol=2))
    yield


def test_a_checkpoint_with_a_program_is_refused_and_not_run(
    folders: Folders, tmp_path: Path
) -> None:
    checkpoints = tmp_path / "model" / CHECKPOINTS_NAME
    checkpoints.mkdir(parents=True)
    for name, reason in (
        ("step-00000002.safetensors", "is damaged"),
        ("step-00000002.pt", "is a checkpoint of an earlier version, which is not read"),
    ):
        for _ in write_bombs(checkpoints / name, tmp_path / "ran"):
            with pytest.raises(DataError, match=f"{name} {reason}"):
                pretrain(
                    examples=folders.examples,
                    vocab=folders.vocab,
                    output=tmp_path / "model",
                    config=CONFIG,
                )
    assert not (tmp_path / "ran").exists()


def test_a_model_with_a_program_is_refused_and_not_run(folders: Folders, tmp_path: Path) -> None:
    pretrain(
        examples=folders.examples, vocab=folders.vocab, output=tmp_path / "model", config=CONFIG
    )
    weights = tmp_path / "model" / "model.safetensors"
    for _ in write_bombs(weights, tmp_path / "ran"):
        with pytest.raises(DataError, match="holds no complete model"):
            load_model(tmp_path / "model")
    weights.unlink()
    for _ in write_bombs(weights.with_name("pytorch_model.bin"), tmp_path / "ran"):
        with pytest.raises(DataError, match=r"pytorch_model\.bin is damaged, or holds more than"):
            load_model(tmp_path / "model")
    assert not (tmp_path / "ran").exists()
