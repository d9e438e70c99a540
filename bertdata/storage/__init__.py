"""Files of a run: Arrow schemas, shards, manifests and locks."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "locks": ["hold"],
        "manifest": [
            "FILE_NAME",
            "Manifest",
            "check_shard",
            "check_shards",
            "check_stage",
            "content_hash",
            "manifest_errors_as_data_errors",
            "find_damage",
            "is_complete",
            "make_manifest",
            "read_manifest",
            "write_manifest",
        ],
        "schema": [
            "MAX_PIECES",
            "REJECTED",
            "REMOVALS",
            "SENTENCES",
            "WORD_COUNTS",
            "check_schema",
            "examples_schema",
            "fingerprints_schema",
            "piece_dtype",
        ],
        "shards": [
            "Shard",
            "atomic_file",
            "check_inside",
            "describe_file",
            "first_line",
            "map_arrow",
            "arrow_errors_as_data_errors",
            "open_arrow",
            "sha256_of",
            "sync_files",
            "sync_names",
            "write_arrow",
            "write_json",
            "write_text",
        ],
    },
)
