"""Optimisers: AdamW, Muon, gradient clipping, and the schedule of the learning rate."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["OptimizerOptions"],
        "optimizers": ["Optimizers", "adamw", "clip_gradients"],
        "schedule": ["make_schedule"],
    },
)
