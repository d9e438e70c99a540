"""Readers: from a unit of input to documents and rejections. One module per format."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "decoding": ["is_wide"],
        "json_objects": ["is_spread_out", "iter_objects"],
        "jsonl": ["find_line"],
        "lines": ["find_document"],
        "registry": ["read_unit"],
        "tables": ["Block", "arrow_blocks", "parquet_blocks"],
    },
)
