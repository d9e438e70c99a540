"""Lines for the person at the terminal, from a process whose standard error may go to a log.

The process that keeps such a log prints the lines for which `is_notice` is true.
"""

from __future__ import annotations

import sys

_NOTE, _WARNING = "note: ", "warning: "


def note(text: str) -> None:
    """Print something the user may want to know."""
    print(f"{_NOTE}{text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print something that is probably a mistake."""
    print(f"{_WARNING}{text}", file=sys.stderr, flush=True)


def is_notice(line: str) -> bool:
    """Whether a line of a log was written by `note` or `warn`."""
    return line.startswith((_NOTE, _WARNING))


def is_warning(line: str) -> bool:
    """Whether a line of a log was written by `warn`."""
    return line.startswith(_WARNING)
