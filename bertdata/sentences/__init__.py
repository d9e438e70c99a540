"""Documents to sentences: NLTK's Punkt, rules for other scripts, and the files of sentences."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "files": [
            "PoolReader",
            "SentenceCounts",
            "count_rejected_file",
            "count_rejections",
            "count_sentences",
            "iterate_sentences",
            "write_sentences",
        ],
        "punkt_training": ["sample_paragraphs", "train_parameters", "write_parameters"],
        "removal": ["merge_rejections", "write_kept"],
        "splitter": ["SentencesConfig", "TRAIN", "load_splitter"],
    },
)
