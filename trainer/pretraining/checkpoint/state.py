"""What a checkpoint holds of a run in tensors: parameters and the optimisers' state, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from trainer.models.bert import Bert
from trainer.optim.optimizers import Optimizers

Parameters: TypeAlias = Mapping[str, Tensor]  # by their names in the model

_BEST = "best."


def state_tensors(model: Bert, optimizers: Optimizers) -> dict[str, Tensor]:
    """Return the parameters and the optimisers' state themselves, not copies of them.

    What else the optimisers have follows from the configuration.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, table in enumerate(optimizers.state_dict()):
        for index, state in table["state"].items():
            for name, value in state.items():
                tensors[f"optimizer.{number}.{index}.{name}"] = value
    return tensors


def name_best(best: Parameters) -> dict[str, Tensor]:
    """Return the parameters of the best evaluation by their names in a checkpoint."""
    return {f"{_BEST}{name}": value for name, value in best.items()}


def take_best(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of what `name_best` named, by their names in the model."""
    return {
        name.removeprefix(_BEST): value.clone()
        for name, value in tensors.items()
        if name.startswith(_BEST)
    }


def find_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with a number that is not finite; None if there is none.

    Needs no memory: the least and the greatest of numbers are not a number if one of them is not.
    """
    for name, value in tensors.items():
        if not torch.stack(torch.aminmax(value)).isfinite().all():
            return name
    return None
