"""Shared by the compiled loops: compilation, random draws, and a table of byte strings."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
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
