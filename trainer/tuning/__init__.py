"""Fine-tuning on a task: `python -m trainer.tuning`."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "config": ["DESCRIPTION", "add_arguments"],
    },
)
