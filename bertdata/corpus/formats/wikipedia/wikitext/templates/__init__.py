"""Templates that have a plain rendering: dates, quantities, languages, quotations and marks."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"expansion": ["is_known", "show_template"]}
)
