"""Checkpoints: complete or absent, with all that a run needs to resume bit for bit.

A checkpoint holds parameters, optimiser state, progress, and which run it belongs to. The data of a
step and its random numbers follow from (seed, step, position), so no state of a generator or loader
is stored.
"""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "folder": ["newest_checkpoint", "remove_leftovers"],
        "loading": ["load_checkpoint"],
        "progress": ["Limits", "Progress"],
        "state": ["Parameters", "find_not_finite"],
        "writer": ["CheckpointWriter"],
    },
)
