"""Word counts to a WordPiece vocabulary: the readable trainer, its fast equal, and quality."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["VocabConfig"],
        "counting": ["COUNTS_SCHEMA", "count_words", "merge_counts"],
        "fast": ["train"],
        "report": ["measure_coverage"],
        "stripping": ["StrippedWords", "count_stripped", "describe_stripped"],
    },
)
