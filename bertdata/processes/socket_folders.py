"""Where sockets of this machine's processes may lie."""

from __future__ import annotations

import os
import tempfile

_MAX_BYTES = 55  # two folders of ours are below


def find_socket_folder() -> str:
    """The folder for temporary files, or one with a shorter path where that is needed.

    The path of a socket has about a hundred bytes at most.
    """
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _MAX_BYTES else "/tmp"
