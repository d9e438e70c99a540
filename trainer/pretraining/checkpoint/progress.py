"""How far a run is, and how far it can be."""

from __future__ import annotations

from dataclasses import dataclass

from bertdata.config import Table, check_range, keys, read_table
from bertdata.errors import ConfigError

_MAX_LOSS = 3.5e38  # in single precision
_MAX_SECONDS = 2.0**32  # over a century


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a run is.

    `tokens`: trained on, without padding. `phase`: 1 or 2; `position`: sequences taken in it.
    `skipped`: steps without an update; `skipped_in_row`: how many of them came last. `best_loss`:
    the lowest of the evaluations so far, first reached at `best_step`, `evaluations_since_best`
    evaluations ago. `seconds`: of training.
    """

    steps: int = 0
    tokens: int = 0
    phase: int = 1
    position: int = 0
    skipped: int = 0
    skipped_in_row: int = 0
    best_loss: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How far a run can be. `steps`, `tokens`: at its end; `step_tokens`: those of one step.

    `has_best`: whether it keeps the parameters of its best evaluation.
    """

    steps: int
    tokens: int
    step_tokens: int
    phases: int
    has_best: bool


def read_progress(table: Table, limits: Limits) -> Progress:
    """Read a run's progress. Raises ConfigError unless every value is one that the run can have."""
    if missing := [name for name in keys(Progress) if name not in table]:
        raise ConfigError(f"progress has no {missing[0]!r}")
    progress = read_table(Progress, table, "progress")
    for name, (low, high) in _ranges(progress, limits).items():
        if (value := getattr(progress, name)) is not None:
            check_range(name, value, low, high)
    return progress


def _ranges(progress: Progress, limits: Limits) -> dict[str, tuple[float, float]]:
    steps = progress.steps
    return {
        "steps": (1, limits.steps),
        "tokens": (0, min(limits.tokens, steps * limits.step_tokens)),
        "phase": (1, limits.phases),
        "position": (0, progress.tokens),  # a sequence has more than one token
        "skipped": (0, steps),
        "skipped_in_row": (0, progress.skipped),
        "best_loss": (0, _MAX_LOSS),
        "best_step": (0, steps),
        "evaluations_since_best": (0, steps),
        "seconds": (0, _MAX_SECONDS),
    }
