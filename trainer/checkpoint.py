"""Checkpoints: whole or not there, and all that a run needs to go on bit for bit.

A checkpoint holds parameters, optimiser state and the number of steps done. The data of a step and
its random numbers follow from (seed, step), so neither is stored.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bertdata.errors import DataError
from bertdata.shards import atomic_file, first_line
from trainer.model import Bert
from trainer.optim import Optimizers

FOLDER_NAME = "checkpoints"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Steps done and tokens (without padding) seen."""

    steps: int
    tokens: int


def save_checkpoint(
    folder: Path, progress: Progress, model: Bert, optimizers: Optimizers, *, keep: int
) -> Path:
    """Write `folder`/step-NNNNNNNN.pt; then drop all checkpoints but the newest `keep`."""
    path = folder / f"step-{progress.steps:08d}.pt"
    state = {
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizers": optimizers.state_dict(),
    }
    with atomic_file(path) as temporary:
        torch.save(state, temporary)
    for old in _all_checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps, if there is any."""
    return next(reversed(_all_checkpoints(folder)), None)


def load_checkpoint(path: Path, model: Bert, optimizers: Optimizers) -> Progress:
    """Put a checkpoint's state into model and optimisers."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizers.load_state_dict(state["optimizers"])
        return Progress(**state["progress"])
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        UnpicklingError,
    ) as error:
        message = f"{path} is damaged ({first_line(error)}); remove it to use the one before"
        raise DataError(message) from error


def _all_checkpoints(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*.pt") if re.fullmatch(r"step-\d{8}", p.stem))
