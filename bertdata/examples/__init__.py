"""Masked-language-model and next-sentence examples: pairs, masks, shards, statistics."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "config": ["ExamplesConfig"],
        "make": [
            "Documents",
            "create_examples",
            "cut_into_blocks",
            "select_split",
            "tokenize_documents",
        ],
        "masking": ["MaskingVocabulary", "mask_batch", "prediction_limits"],
        "statistics": [
            "ExampleCounts",
            "NUM_LENGTHS",
            "add_counts",
            "count_examples",
            "no_examples",
            "describe_examples",
            "with_shares",
        ],
    },
)
