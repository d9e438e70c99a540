"""Worker processes of the embedded runner, and how they are reached and end."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "local_sockets": ["serve_locally"],
        "pool": ["open_pool"],
        "watched_runner": ["WatchedRunner"],
    },
)
