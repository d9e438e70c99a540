"""Documents to sentences: NLTK's Punkt, rules for other scripts, and the files of sentences."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "blocks": ["blocks_schema", "first_order", "make_block"],
        "files": [
            "SentenceCounts",
            "iterate_sentences",
            "read_documents",
            "read_ranges",
            "write_file",
        ],
        "punkt_training": ["sample_paragraphs", "train_parameters", "write_parameters"],
        "removal": ["remove"],
        "splitter": [
            "LANGUAGES",
            "RULE_LANGUAGES",
            "SentenceSplitter",
            "SentencesConfig",
            "TRAIN",
            "load_splitter",
        ],
    },
)
