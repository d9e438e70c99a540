"""Parameter groups, optimisers, gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.device import compute_dtype
from trainer.models.bert import Bert
from trainer.optim.config import OptimizerOptions
from trainer.optim.muon import Muon

_NamedParameters = Iterable[tuple[str, nn.Parameter]]


class Optimizers:
    """The optimisers of one run, stepped together. Every step sets its own rate.

    `precision`: of Muon's products, as in `MachineOptions`.
    """

    def __init__(self, model: Bert, options: OptimizerOptions, precision: str = "fp32") -> None:
        self._peak_rate = options.learning_rate
        matrices = list(_encoder_matrices(model)) if options.optimizer == "muon" else []
        self._all: list[tuple[torch.optim.Optimizer, float]] = [
            (_make_adamw(model, matrices, options), options.learning_rate)
        ]
        if matrices:
            muon = _make_muon(matrices, options, precision)
            self._all.append((muon, options.muon_learning_rate))

    def step(self, factor: float, is_finite: Tensor | None = None) -> float:
        """Update the parameters at `factor` of the peak rates; return AdamW's rate.

        `is_finite`: one truth value, on the device. If it is False nothing is updated; AdamW reads
        it on the device, so that the host need not wait for it.
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
        self._drop_gradients()
        return self._peak_rate * factor

    def make_state(self) -> None:
        """Allocate the state, all zeros, which the first step would allocate otherwise."""
        for optimizer, _ in self._all:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.zeros_like(parameter)
        self.step(0.0)
        for optimizer, _ in self._all:
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the state of every optimiser, in their order."""
        return [optimizer.state_dict() for optimizer, _ in self._all]

    def _drop_gradients(self) -> None:
        for optimizer, _ in self._all:
            optimizer.zero_grad(set_to_none=True)


def adamw(
    named: _NamedParameters, options: OptimizerOptions, *, is_fused: bool
) -> torch.optim.AdamW:
    """Return AdamW over two groups: weights, which decay, and biases and layer norms.

    `is_fused`: one kernel for all parameters, which can skip a step on the device.
    """
    return torch.optim.AdamW(
        parameter_groups(named, options.weight_decay),
        lr=options.learning_rate,
        betas=(options.beta1, options.beta2),
        eps=options.eps,
        fused=is_fused or None,
    )


def parameter_groups(named: _NamedParameters, weight_decay: float) -> list[dict[str, object]]:
    """Split parameters in two groups: weights, which decay, and biases and layer norms."""
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for name, parameter in named:
        is_exempt = name.endswith("bias") or "norm." in name
        (exempt if is_exempt else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": exempt, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def clip_gradients(model: nn.Module, max_norm: float) -> Tensor:
    """Scale all gradients to a common norm of at most `max_norm`; return the norm before."""
    return nn.utils.clip_grad_norm_(model.parameters(), max_norm)


def _encoder_matrices(model: Bert) -> Iterable[nn.Parameter]:
    return (p for name, p in model.layers.named_parameters() if p.ndim == 2)


def _make_adamw(
    model: Bert, others: list[nn.Parameter], options: OptimizerOptions
) -> torch.optim.AdamW:
    excluded = {id(parameter) for parameter in others}
    named = [(n, p) for n, p in model.named_parameters() if id(p) not in excluded]
    return adamw(named, options, is_fused=True)


def _make_muon(matrices: list[nn.Parameter], options: OptimizerOptions, precision: str) -> Muon:
    return Muon(
        matrices,
        lr=options.muon_learning_rate,
        weight_decay=options.weight_decay,
        dtype=compute_dtype(precision, matrices[0].device),
    )
