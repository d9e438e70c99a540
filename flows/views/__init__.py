"""Views of a run: summary, examples, report and verification."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "inspect": ["show_examples", "show_statistics"],
        "report": ["write_report"],
        "summary": ["summarize"],
    },
)
