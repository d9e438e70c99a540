"""The commands of `bertdata`: a module for each family, with their options and what they do."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "errors": ["report_error"],
        "parser": ["make_parser"],
    },
)
