"""Equal and similar documents, and sentences that occur in many documents."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
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
