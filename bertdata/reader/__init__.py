"""Reads shards of examples as batches, in a reproducible order that any number of ranks share."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["CompactBatch", "to_padded"],
        "collation": ["ExampleCollator"],
        "example_reader": ["ExampleReader"],
    },
)
