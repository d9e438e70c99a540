"""The pipelines: one module a stage, each a transform that reads from top to bottom."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "examples": ["MakeExamples"],
        "punkt": ["MakePunkt"],
        "sentences": ["MakeSentences"],
        "vocabulary": ["MakeVocabulary"],
    },
)
