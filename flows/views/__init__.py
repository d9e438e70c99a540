"""Views of a run: summary, examples, report and verification."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "differences": ["compare_runs"],
        "document": ["show_document"],
        "export": ["export_run"],
        "inspect": ["show_examples", "show_statistics"],
        "report": ["write_report"],
        "summary": ["describe_made", "summary_lines"],
    },
)
