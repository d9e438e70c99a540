"""Cleaning of documents: rules that reject a document, and rules that drop lines of it."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cleaner": ["CleaningConfig", "describe_cleaning", "looks_for_duplicates", "make_cleaner"],
    },
)
