"""The original algorithm, written to be read, and its command (`python -m bertdata.reference`)."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "algorithm": ["create_examples", "mask_example"],
        "config": ["KEEP_SHARE", "MASK_SHARE", "MaskingConfig", "PairingConfig"],
    },
)
