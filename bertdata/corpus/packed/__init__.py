"""Packed input: compressed files, archives, and how both are recognised."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "packed_files": [
            "Allowance",
            "TextFile",
            "check_no_archive",
            "is_packed",
            "iter_files",
            "peek",
            "read_beginning",
            "read_files",
        ],
        "signatures": ["name_archive", "name_binary"],
    },
)
