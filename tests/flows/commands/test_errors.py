"""Errors are one line, with a traceback only if it is asked for."""

from __future__ import annotations

import errno

import pytest

from bertdata.errors import ConfigError, DataError
from flows.commands.errors import report_error

NO_MEMORY = "out of memory, or of processes: raise this user's limits (ulimit -v, -u)"
LINES = [
    (ConfigError("vocab.size is 3"), 2, "vocab.size is 3"),
    (DataError("shard is cut"), 1, "shard is cut"),
    (MemoryError(), 1, NO_MEMORY),
    (RuntimeError("can't start new thread"), 1, NO_MEMORY),
    (OSError(errno.ENOSPC, "No space left", "out/x"), 1, "out/x: No space left"),
    (OSError("no file"), 1, "OSError: no file (--debug shows where)"),
    (ValueError("first\nsecond"), 1, "ValueError: first (--debug shows where)"),
    (KeyError(), 1, "KeyError:  (--debug shows where)"),
]


@pytest.mark.parametrize(("error", "status", "line"), LINES)
def test_one_line(
    error: Exception, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_error(error, debug=False) == status
    assert capsys.readouterr() == ("", f"bertdata: {line}\n")


def test_debug_shows_the_traceback_and_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="first"):
        report_error(ValueError("first"), debug=True)
    with pytest.raises(DataError) as caught:
        raise DataError("shard is cut")
    assert report_error(caught.value, debug=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "bertdata: shard is cut"
