"""Templates that have a plain rendering: dates, quantities, languages, quotations and marks."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "expansion": ["is_known", "show_template"],
    },
)
