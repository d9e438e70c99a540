"""Files of a run: Arrow schemas, shards, manifests and locks."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "files": [
            "FoundFile",
            "exists",
            "find_file",
            "is_file",
            "is_folder",
            "iterate_blocks",
            "list_files",
            "open_arrow_file",
            "open_file",
            "read_bytes",
            "remove_file",
            "remove_folder",
            "size_of",
        ],
        "filesystems": ["open_filesystem", "renames_when_done", "storage_errors"],
        "locations": ["Address", "Location", "is_address", "is_inside", "locate"],
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
            "arrow_errors_as_data_errors",
            "check_inside",
            "describe_file",
            "first_line",
            "map_arrow",
            "open_arrow",
            "sha256_of",
            "sync_files",
            "write_arrow",
        ],
        "writing": [
            "atomic_file",
            "check_writable",
            "sync",
            "write_json",
            "write_text",
        ],
    },
)
