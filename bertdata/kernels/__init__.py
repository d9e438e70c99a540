"""Shared by the compiled loops: compilation, random draws, and a table of byte strings."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "byte_table": [
            "ByteTable",
            "SHORT",
            "buffers_of",
            "find_row",
            "pack_byte",
            "pack_key",
        ],
        "compilation": ["inlined", "kernel"],
        "random": ["below", "draw", "uniform"],
    },
)
