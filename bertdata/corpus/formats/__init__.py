"""Readers: from a unit of input to documents and rejections. One module per format."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "decoding": ["is_wide"],
        "json_objects": ["is_spread_out"],
        "jsonl": ["find_line"],
        "lines": ["find_document"],
        "registry": ["read_unit"],
        "tables": ["Block", "arrow_blocks", "parquet_blocks"],
    },
)
