"""Processes of a run: children, the job host, Prefect's server and its environment."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "children": ["child_command", "child_environment", "crash", "run_child"],
        "job_host": ["run_job", "start_host"],
        "prefect_settings": ["prepare_environment"],
        "server": ["ensure_server"],
        "signals": ["INTERRUPTED", "MESSAGE", "Stopped", "catch_signals", "finish", "was_stopped"],
    },
)
