"""The Prefect server of a run that has none: its settings, its database, its process."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "settings": ["prepare_environment"],
        "temporary": ["ensure_server", "has_own_server", "without_heartbeats"],
    },
)
