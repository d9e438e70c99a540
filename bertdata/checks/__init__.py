"""Checks of finished data: the rules for every row, and whether files match their manifest."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "shares": ["check_masking"],
        "verification": [
            "Verified",
            "differences",
            "verify_examples",
            "verify_files",
            "verify_sentences",
            "verify_vocabulary",
        ],
    },
)
