"""The original algorithm, written to be read, and its command (`python -m bertdata.reference`)."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "algorithm": ["create_examples", "mask_example"],
        "config": ["KEEP_SHARE", "MASK_SHARE", "MaskingConfig", "PairingConfig"],
    },
)
