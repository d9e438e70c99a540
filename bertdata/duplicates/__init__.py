"""Equal and similar documents, and sentences that occur in many documents."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "find": [
            "Duplicates",
            "count_hashed_sentences",
            "count_repeated_names",
            "find_duplicates",
            "find_repeated_sentences",
            "find_similar",
            "read_removals",
            "write_removals",
        ],
        "fingerprints": ["FingerprintWriter"],
        "minhash": ["NUM_BANDS"],
    },
)
