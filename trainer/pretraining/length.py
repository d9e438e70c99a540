"""How long a run is and how its learning rate goes: by steps, tokens or minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainer.pretraining.config import TrainConfig

Unit = Literal["steps", "tokens", "seconds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much a run may use: so many steps, tokens (padding not counted) or seconds."""

    unit: Unit
    total: float

    @classmethod
    def of(cls, config: TrainConfig) -> Budget:
        """What the configuration asks for."""
        if config.tokens:
            return cls(unit="tokens", total=config.tokens)
        if config.minutes:
            return cls(unit="seconds", total=60 * config.minutes)
        return cls(unit="steps", total=config.steps)


def rate_factor(used: float, with_step: float, total: float, config: TrainConfig) -> float:
    """Share of the peak rate for a step that takes the run from `used` to `with_step` of `total`.

    Linear up while warming up, then as `config.schedule` says. As in the original, warm-up step i
    has i / warmup of the peak (here from 1 on, so that the first step is not lost), and linear
    decay gives later steps what is left of the run.
    """
    warmup = warmup_of(total, config)
    if used < warmup:
        return min(1.0, with_step / warmup)
    left = max(0.0, total - used) / max(1e-9, total - warmup)
    if config.schedule == "linear":
        return left
    if config.schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    cooldown = config.cooldown_fraction * total
    return min(1.0, max(0.0, total - used) / cooldown) if cooldown else 1.0


def warmup_of(total: float, config: TrainConfig) -> float:
    """How much of the budget `total` the rate rises for."""
    if config.warmup_steps is not None:
        return config.warmup_steps
    warmup = config.warmup_fraction * total
    return round(warmup) if Budget.of(config).unit == "steps" else warmup
