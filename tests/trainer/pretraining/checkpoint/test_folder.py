"""The checkpoints in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.errors import DataError
from trainer.pretraining.checkpoint.folder import (
    all_checkpoints,
    newest_checkpoint,
    path_of,
    remove_leftovers,
)


def test_the_newest_has_the_most_steps(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None
    steps = (2, 99_999_999, 100_000_000)
    for number in steps:
        path_of(tmp_path, number).touch()
    for name in ("step-1.safetensors", "step-00000003.safetensors.bak", "notes.safetensors"):
        (tmp_path / name).touch()
    assert path_of(tmp_path, 2).name == "step-00000002.safetensors"
    assert all_checkpoints(tmp_path) == [path_of(tmp_path, number) for number in steps]
    assert newest_checkpoint(tmp_path) == path_of(tmp_path, steps[-1])


def test_a_checkpoint_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    path_of(tmp_path, 9).touch()
    (tmp_path / "step-00000002.pt").touch()
    with pytest.raises(DataError) as raised:
        newest_checkpoint(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}/step-00000002.pt is a checkpoint of an earlier version, which is not read; "
        f"finish the run with that version, or delete {tmp_path} to train again"
    )


def test_halves_of_checkpoints_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".step-00000002.safetensors.abc.tmp", "step-00000001.safetensors", "notes.tmp"):
        (tmp_path / name).write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.tmp",
        "step-00000001.safetensors",
    ]
