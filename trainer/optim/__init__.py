"""Optimisers: AdamW, Muon, gradient clipping, and the schedule of the learning rate."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "config": ["OptimizerOptions"],
        "optimizers": ["Optimizers", "adamw", "clip_gradients"],
        "schedule": ["make_schedule"],
    },
)
