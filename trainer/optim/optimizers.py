"""Parameter groups and optimisers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.device import compute_dtype
from trainer.models.bert import Bert
from trainer.optim.muon import Muon
from trainer.pretraining.config import TrainConfig


class Optimizers:
    """The optimisers of one run, stepped together. Rates are set anew at every step."""

    def __init__(self, model: Bert, config: TrainConfig) -> None:
        self.config = config
        matrices = list(_encoder_matrices(model)) if config.optimizer == "muon" else []
        self._all: list[tuple[torch.optim.Optimizer, float]] = [
            (_adamw(model, matrices, config), config.learning_rate)
        ]
        if matrices:
            self._all.append((_muon(matrices, config), config.muon_learning_rate))

    def step(self, factor: float, is_finite: Tensor | None = None) -> float:
        """Update the parameters at `factor` of the peak rates; gives AdamW's rate.

        `is_finite`: one truth value, on the device. Where it is False nothing is updated; AdamW
        finds that out on the device, so that the host need not wait for it.
        """
        for optimizer, rate in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            if isinstance(optimizer, torch.optim.AdamW):
                is_broken = None if is_finite is None else (~is_finite).float()
                optimizer.found_inf = is_broken  # type: ignore[attr-defined]  # of fused optimisers
                optimizer.step()
            elif is_finite is None or is_finite:
                optimizer.step()
        self.forget_gradients()
        return self.config.learning_rate * factor

    def make_state(self) -> None:
        """Make the state, all zeros, that would otherwise come into being in the first step."""
        for optimizer, _ in self._all:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.zeros_like(parameter)
        self.step(0.0)
        for optimizer, _ in self._all:
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def forget_gradients(self) -> None:
        """Make room for the next step's."""
        for optimizer, _ in self._all:
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of every optimiser, in their order."""
        return [optimizer.state_dict() for optimizer, _ in self._all]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Take back what `state_dict` gave."""
        for (optimizer, _), state in zip(self._all, states, strict=True):
            optimizer.load_state_dict(state)


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], weight_decay: float
) -> list[dict[str, Any]]:
    """Two groups: weights, which decay, and biases and layer norms, which do not."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in named:
        is_kept = name.endswith("bias") or "norm." in name
        (kept if is_kept else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def clip_gradients(model: nn.Module, max_norm: float) -> Tensor:
    """Scale all gradients to a common norm of at most `max_norm`; gives the norm before."""
    return nn.utils.clip_grad_norm_(model.parameters(), max_norm)


def _encoder_matrices(model: Bert) -> Iterable[nn.Parameter]:
    return (p for name, p in model.layers.named_parameters() if p.ndim == 2)


def _adamw(model: Bert, others: list[nn.Parameter], config: TrainConfig) -> torch.optim.AdamW:
    excluded = {id(parameter) for parameter in others}
    named = [(n, p) for n, p in model.named_parameters() if id(p) not in excluded]
    return torch.optim.AdamW(
        parameter_groups(named, config.weight_decay),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def _muon(matrices: list[nn.Parameter], config: TrainConfig) -> Muon:
    return Muon(
        matrices,
        lr=config.muon_learning_rate,
        weight_decay=config.weight_decay,
        dtype=compute_dtype(config.precision, matrices[0].device),
    )
