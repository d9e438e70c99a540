"""Vectors of texts (`python -m trainer.features`), and predictions for [MASK]."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "config": ["DESCRIPTION", "add_arguments"],
        "extraction": ["extract_features"],
        "fill_mask": ["MaskFiller"],
    },
)
