"""Vectors of texts (`python -m trainer.features`), and predictions for [MASK]."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["DESCRIPTION", "add_arguments"],
        "extraction": ["extract_features"],
        "fill_mask": ["MaskFiller"],
    },
)
