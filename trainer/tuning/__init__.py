"""Fine-tuning on a task: `python -m trainer.tuning`."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["DESCRIPTION", "add_arguments"],
    },
)
