"""The parameters that a run starts from: loaded, random, or from the training examples."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "model": ["check_examples", "new_model"],
    },
)
