"""On what the processes of a run listen, as Linux tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.process_tree import find_processes

LOOPBACK = "0100007F"  # 127.0.0.1, as Linux writes it
_LISTENS, _UDP = "0A", "07"  # states of a socket: UDP has none of its own for that


def find_inodes(mark: str) -> set[str]:
    """The sockets that a run's processes hold."""
    found = set()
    for process in find_processes(mark):
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    link = os.readlink(path)  # noqa: PTH115 (not a path)
                    found |= {link[8:-1]} if link.startswith("socket:[") else set()
    return found


def find_ports(own: set[str]) -> set[tuple[str, int]]:
    """Addresses, as Linux writes them, and ports on which some of these sockets listen."""
    lines = (line.split() for name in ("tcp", "tcp6", "udp", "udp6") for line in _net(name))
    return {
        (fields[1].partition(":")[0], int(fields[1].partition(":")[2], 16))
        for fields in lines
        if fields[3] in (_LISTENS, _UDP) and fields[9] in own
    }


def find_sockets(own: set[str]) -> set[str]:
    """Names of the Unix sockets among these."""
    lines = (line.split() for line in _net("unix"))
    return {fields[7] for fields in lines if len(fields) > 7 and fields[6] in own}


def _net(name: str) -> list[str]:
    path = Path("/proc/net") / name
    return path.read_text().splitlines()[1:] if path.exists() else []
