"""What the data is: plain functions over numpy and Arrow values, used by every other package."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "arrays": [
            "AnyArray",
            "BoolArray",
            "ByteArray",
            "Float64Array",
            "FloatArray",
            "Int32Array",
            "Int64Array",
            "IntegerArray",
            "PieceArray",
            "UInt16Array",
            "UInt32Array",
            "UInt64Array",
            "offsets_of",
            "pad_rows",
            "places_within",
        ],
        "config": [
            "FLAT",
            "Table",
            "check_choice",
            "check_choices",
            "check_positive",
            "check_range",
            "choices_of",
            "key_docs",
            "key_fields",
            "keys",
            "read_table",
            "to_table",
            "unknown_key",
        ],
        "contents": ["list_contents"],
        "errors": [
            "BertdataError",
            "ConfigError",
            "CrashError",
            "DataError",
            "InputError",
            "MemoryUsedUpError",
            "StorageError",
            "VocabularyError",
            "damaged_file",
            "damaged_one",
        ],
        "grouping": ["fill_groups", "fit_groups"],
        "import_path": ["leave_current_folder", "safe_environment"],
        "notices": ["is_notice", "is_warning", "note", "warn"],
        "randomness": ["FACTOR_1", "derive_key", "mix_array", "permutation", "stable_hash"],
        "terminal": ["CommandParser", "exit_status", "is_reader_gone", "run_command"],
    },
)
