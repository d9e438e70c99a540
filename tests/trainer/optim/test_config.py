"""Checks of the optimiser's options."""

from __future__ import annotations

import math

import pytest

from bertdata.errors import ConfigError
from trainer.optim.config import OptimizerOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedule": "step"}, "schedule must be one of linear, cosine, constant"),
        ({"beta2": 1.5}, "beta2 must be from 0 to 1, got 1.5"),
        ({"beta1": math.nan}, "beta1 must be from 0 to 1, got nan"),
        ({"learning_rate": math.nan}, "learning_rate must be above 0, got nan"),
        ({"learning_rate": math.inf}, r"learning_rate must be from 0 to 1e\+30, got inf"),
        ({"muon_learning_rate": 1e31}, r"muon_learning_rate must be from 0 to 1e\+30"),
        ({"warmup_steps": -1}, "warmup_steps must be from 0"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"max_skipped_steps": 0}, "max_skipped_steps must be from 1"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OptimizerOptions(**values)  # type: ignore[arg-type]
