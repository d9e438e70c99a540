"""The parameters that a run starts from: loaded, random, or from the training examples."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "model": ["check_examples", "new_model"],
    },
)
