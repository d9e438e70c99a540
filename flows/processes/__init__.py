"""Processes of a run: children, jobs, and how they end."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "children": ["child_command", "child_environment", "run_child"],
        "endings": ["crash", "end_group"],
        "fork_server": ["prepare_jobs"],
        "watchdog": ["Patience"],
        "jobs": ["JobDiedError", "run_job"],
        "signals": [
            "MESSAGE",
            "Stopped",
            "catch_again",
            "catch_signals",
            "stopped_status",
            "finish",
            "was_stopped",
        ],
    },
)
