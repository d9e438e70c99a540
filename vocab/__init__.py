"""Word counts to a WordPiece vocabulary: the readable trainer, its fast equal, and quality."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "config": ["VocabConfig"],
        "counting": [
            "COUNTS_SCHEMA",
            "add_up_counts",
            "assign_buckets",
            "count_words",
            "join_counts",
        ],
        "fast": ["train"],
        "plan": ["VocabularyWork", "plan_vocabulary"],
        "report": ["Coverage", "measure_coverage"],
        "stripping": ["StrippedWords", "count_stripped", "describe_stripped"],
    },
)
