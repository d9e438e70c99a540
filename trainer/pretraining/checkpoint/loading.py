"""A checkpoint loaded into a run: only if every value in it is one that the run can have."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bertdata.config import Table
from bertdata.errors import ConfigError, DataError
from bertdata.storage.locations import Location
from trainer.models.bert import Bert
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.checkpoint.file import Content, damaged, open_content
from trainer.pretraining.checkpoint.folder import steps_of
from trainer.pretraining.checkpoint.progress import Limits, Progress, read_progress
from trainer.pretraining.checkpoint.state import (
    Parameters,
    find_not_finite,
    name_best,
    state_tensors,
    take_best,
)

# State of AdamW that counts or is a mean of squares.
_NOT_NEGATIVE = (".step", ".exp_avg_sq")


def load_checkpoint(
    path: Location, model: Bert, optimizers: Optimizers, *, identity: Table, limits: Limits
) -> tuple[Progress, Parameters | None]:
    """Load a checkpoint into model and optimisers; return its progress and its `best`.

    `identity`: of the run, as its checkpoints have it. Raises DataError, and changes nothing, if
    the checkpoint is damaged, is of another run, or has a value that the run cannot have.
    """
    optimizers.make_state()
    state = state_tensors(model, optimizers)
    with open_content(path) as content:
        _check_identity(path, content.identity, identity)
        try:
            progress = read_progress(content.progress, limits)
            best = model.state_dict() if limits.has_best and progress.best_loss is not None else {}
            _check_values(path, progress, content, {**state, **name_best(best)})
        except (ConfigError, ValueError) as error:
            raise damaged(path, str(error)) from error
        for name, value in state.items():
            value.copy_(content.tensors[name])
        return progress, take_best(content.tensors) or None


def _check_identity(path: Location, found: Table, wanted: Table) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        old, new = found.get(name), wanted.get(name)
        if old != new:
            raise DataError(
                f"{path} is of another run: it has {name} = {old}, this run {new}; "
                "delete it to go on from the one before, or choose another --output"
            )


def _check_values(
    path: Location, progress: Progress, content: Content, expected: Mapping[str, Tensor]
) -> None:
    """Raise ValueError over the first value that cannot be."""
    tensors = content.tensors
    if progress.steps != steps_of(path):
        raise ValueError(f"it is of step {progress.steps}")
    for name in sorted(tensors.keys() ^ expected.keys()):
        raise ValueError(f"it has {'no' if name in expected else 'an unknown'} tensor {name}")
    for name, value in expected.items():
        if value.shape != tensors[name].shape:
            raise ValueError(f"{name} is {list(tensors[name].shape)}, not {list(value.shape)}")
    if broken := find_not_finite(tensors):
        raise ValueError(f"{broken} has numbers that are not finite")
    for name, value in tensors.items():
        if name.endswith(_NOT_NEGATIVE) and value.min() < 0:
            raise ValueError(f"{name} is negative")
        if name.endswith(".step") and value.max() > progress.steps:
            raise ValueError(f"{name} is {value.max():g} after {progress.steps} steps")
