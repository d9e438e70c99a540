"""Memory that is free goes back to the system."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest

from bertdata.processes.memory import return_free_memory


def memory_of_this_process() -> int:
    """Its megabytes, without those of mapped files."""
    found = re.search(r"Anonymous: +(\d+) kB", Path("/proc/self/smaps_rollup").read_text())
    assert found
    return int(found[1]) // 1000


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="asks glibc"
)
def test_what_lies_below_something_that_is_kept_goes_back_too() -> None:
    many = [bytes(2000) for _ in range(100_000)]
    kept = many[-1]
    used = memory_of_this_process()
    del many
    return_free_memory()
    assert memory_of_this_process() < used - 150
    assert len(kept) == 2000


def test_where_the_c_library_has_no_such_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertdata.processes.memory.ctypes.CDLL", lambda name: object())
    return_free_memory()
