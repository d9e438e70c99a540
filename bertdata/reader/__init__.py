"""Reads shards of examples as batches, in a reproducible order that any number of ranks share."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "batches": ["CompactBatch", "to_padded"],
        "collation": ["ExampleCollator"],
        "example_reader": ["ExampleReader"],
        "stored_examples": ["StoredExamples"],
    },
)
