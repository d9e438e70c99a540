"""What explains the command: examples, completion in shells, the reference of all keys."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "completion": ["SHELLS", "make_completion"],
        "examples": ["examples_of"],
    },
)
