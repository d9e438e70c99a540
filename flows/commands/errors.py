"""What went wrong in a command, on one line."""

from __future__ import annotations

import sys

from bertdata.errors import BertdataError
from bertdata.terminal import exit_status

_NO_MEMORY = "out of memory, or of processes: raise this user's limits (ulimit -v, -u)"


def report_error(error: Exception, debug: bool) -> int:
    """Print what went wrong; returns the exit status. `debug`: with a traceback."""
    if isinstance(error, BertdataError):
        if debug:
            sys.excepthook(type(error), error, error.__traceback__)
        print(f"bertdata: {error}", file=sys.stderr)
        return exit_status(error)
    if debug:
        raise error
    print(f"bertdata: {_describe(error)}", file=sys.stderr)
    return 1


def _describe(error: Exception) -> str:
    """An error that no code of ours has worded."""
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        return _NO_MEMORY
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {line} (--debug shows where)"
