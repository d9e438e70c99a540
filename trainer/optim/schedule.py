"""How the learning rate rises and falls in the course of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.optim.config import OptimizerOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Share of the peak rate by how much of a run is used up.

    `total`, `warmup`, `cooldown`: in one unit (steps, tokens or seconds). `shape`: "linear" or
    "cosine" down to 0, or "constant" until the cooldown.
    """

    total: float
    warmup: float
    shape: str = "linear"
    cooldown: float = 0.0

    def factor(self, used: float, with_step: float) -> float:
        """Return the share for a step that takes the run from `used` to `with_step`, in [0, 1].

        As in the original, warm-up step i has i / warmup of the peak (here from 1 on, so that the
        first step is not lost), and linear decay gives later steps what is left of the run.
        """
        if used < self.warmup:
            return min(1.0, with_step / self.warmup)
        left = max(0.0, self.total - used)
        if self.shape == "constant":
            return min(1.0, left / self.cooldown) if self.cooldown else 1.0
        share_left = left / max(1e-9, self.total - self.warmup)
        return share_left if self.shape == "linear" else (1 - math.cos(math.pi * share_left)) / 2


def make_schedule(options: OptimizerOptions, total: float, *, in_steps: bool) -> Schedule:
    """Return the schedule of a run of `total` steps, tokens or seconds."""
    warmup = options.warmup_fraction * total
    if in_steps:
        warmup = round(warmup)
    if options.warmup_steps is not None:
        warmup = options.warmup_steps
    return Schedule(
        total=total,
        warmup=warmup,
        shape=options.schedule,
        cooldown=options.cooldown_fraction * total,
    )
