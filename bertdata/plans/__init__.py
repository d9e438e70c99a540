"""What each stage will do, worked out before any worker starts.

A plan depends on the configuration and the inputs alone, never on workers. That of `vocab/` is in
`vocab.plan`.
"""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "examples": ["ExamplesGroup", "ExamplesWork", "plan_examples"],
        "finished": ["SENTENCES_FORMAT", "SentencesInput", "find_finished", "find_sentences"],
        "inputs": ["Corpora"],
        "punkt": ["PUNKT_FILE", "PunktWork", "plan_punkt"],
        "sentences": ["SentencesWork", "plan_sentences"],
    },
)
