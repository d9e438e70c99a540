"""Texts of users: rows of tables, and texts as padded batches of ids."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "encoder": [
            "EncodedText",
            "TextBatch",
            "TextEncoder",
            "lengths_of",
            "open_tokenizer",
            "pad",
        ],
        "tables": ["Row", "plain_suffix", "read_groups", "read_lines", "read_rows", "table_kind"],
    },
)
