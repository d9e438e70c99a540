"""The corpora of a run: configuration, input files, documents, and the units of work."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "compression": ["find_compression", "read_range"],
        "config": [
            "CorpusConfig",
            "FilePart",
            "Format",
            "FoundInputs",
            "GONE",
            "InputFile",
            "InputUnit",
            "check_corpora",
            "check_unchanged",
            "files_at_once",
            "find_inputs",
            "skippable",
            "unreadable_file",
        ],
        "documents": [
            "Document",
            "REASONS",
            "Reason",
            "Rejection",
            "printable_name",
            "reject",
            "unless_empty",
        ],
        "identity": ["DocumentHashes", "count_repeated_ids", "hash_documents", "hash_rows"],
        "inputs": ["Pattern", "match_pattern"],
        "kept_share": ["describe_loss", "is_enough", "is_lost", "read_rejected"],
        "own_files": ["OwnFiles"],
        "partitions": [
            "Layout",
            "ShardGroup",
            "assign_partitions",
            "choose_validation",
            "count_partitions",
            "count_shards",
            "join_small_partitions",
            "plan_layout",
            "plan_shards",
            "plan_validation",
            "split_evenly",
        ],
        "units": ["join_units", "plan_units"],
    },
)
