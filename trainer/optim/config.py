"""The options of the optimiser. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bertdata.config import check_choices, check_positive, check_range


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerOptions:
    """How parameters are updated; the defaults are the original's, but for the rate."""

    learning_rate: float = 1e-3
    """The peak rate of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """After warm-up: "linear" or "cosine" down to 0, or "constant" with a linear cooldown."""
    warmup_fraction: float = 0.1
    """Share of the run in which the rate rises linearly from 0."""
    warmup_steps: int | None = None
    """Steps of warm-up; replaces warmup_fraction of a run of `steps`."""
    cooldown_fraction: float = 0.2
    """Share of the run, at its end, in which a "constant" rate falls to 0."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Either "adamw"; or "muon" for the matrices inside the encoder and AdamW for the rest."""
    muon_learning_rate: float = 2e-2
    """The peak rate of Muon, in AdamW's terms."""
    weight_decay: float = 0.01
    """Decoupled decay of weights; biases and layer norms have none."""
    beta1: float = 0.9
    """AdamW's decay of the mean gradient."""
    beta2: float = 0.999
    """AdamW's decay of the mean squared gradient."""
    eps: float = 1e-6
    """What AdamW adds to the root of the mean squared gradient."""
    max_grad_norm: float = 1.0
    """Gradients of a larger common norm are scaled down to this one."""
    max_skipped_steps: int = 10
    """Steps in a row with a loss or gradients that are not finite before the run fails."""

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("warmup_fraction", "cooldown_fraction", "beta1", "beta2", "weight_decay"):
            check_range(name, getattr(self, name), 0, 1)
        check_range("max_skipped_steps", self.max_skipped_steps, 1, 2**31)
        if self.warmup_steps is not None:
            check_range("warmup_steps", self.warmup_steps, 0, 2**31)
        for name in ("learning_rate", "muon_learning_rate", "eps", "max_grad_norm"):
            check_positive(name, getattr(self, name))
