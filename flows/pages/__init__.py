"""A run on Prefect's pages: the form of its parameters, its name and tags, its artifacts."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "artifacts": ["StagePages", "show_report"],
        "form": ["Form"],
        "labels": ["label_run"],
    },
)
