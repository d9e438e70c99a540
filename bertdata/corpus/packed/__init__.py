"""Packed input: compressed files, archives, and how both are recognised."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "packed_files": [
            "TextFile",
            "check_no_archive",
            "is_packed",
            "peek",
            "read_beginning",
            "read_files",
        ],
        "signatures": ["name_archive", "name_binary"],
    },
)
