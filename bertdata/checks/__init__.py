"""Checks of finished data: the rules for every row, and whether files match their manifest."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "verification": [
            "Verified",
            "differences",
            "verify_examples",
            "verify_files",
            "verify_sentences",
            "verify_vocabulary",
        ],
    },
)
