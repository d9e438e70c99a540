"""Pre-training: configuration, batches, the loop, checkpoints, results."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainConfig"],
        "loop": ["train"],
        "results": ["Results", "finish"],
        "resume": ["prepare"],
        "run": ["open_run"],
    },
)
