"""A run as it is seen while it is made: what happens, and who shows it how."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "events": [
            "Event",
            "Note",
            "Say",
            "StageFinished",
            "StageStarted",
            "TrainingProgress",
            "read_trainer_line",
        ],
        "live": ["LiveView"],
        "styled": ["Span", "Styled", "can_draw", "print_lines"],
        "view": ["JsonView", "QuietView", "View", "current_view"],
    },
)
