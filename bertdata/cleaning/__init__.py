"""Cleaning of documents: rules that reject a document, and rules that drop lines of it."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "cleaner": ["CleaningConfig", "describe_cleaning", "make_cleaner"],
    },
)
