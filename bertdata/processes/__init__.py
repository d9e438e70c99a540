"""Processes of this machine: they end with the one that made them, and talk over sockets."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "cores": ["available_cores"],
        "memory": ["return_free_memory"],
        "parents": ["PARENT", "end_with_parent", "ending_with_parent"],
        "socket_folders": ["find_socket_folder"],
        "temporary_folders": ["temporary_folder"],
        "watched": ["FindDeath", "call_watched"],
    },
)
