"""Equal and similar documents, and sentences that occur in many documents."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "find": [
            "DROPPED",
            "attach_earlier",
            "find_candidates",
            "find_equal",
            "find_repeated",
            "find_similar",
            "list_bands",
            "list_sentences",
        ],
        "fingerprints": ["Fingerprints"],
        "minhash": ["NUM_BANDS", "NUM_PLACES"],
    },
)
