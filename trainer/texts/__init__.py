"""Texts of users: rows of tables, and texts as padded batches of ids."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
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
