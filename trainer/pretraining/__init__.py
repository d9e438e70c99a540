"""Pre-training: configuration, batches, the loop, checkpoints, results."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "card": ["write_model_card"],
        "config": ["TrainConfig"],
        "loop": ["train"],
        "results": ["Results", "finish"],
        "resume": ["prepare"],
        "run": ["open_run"],
    },
)
