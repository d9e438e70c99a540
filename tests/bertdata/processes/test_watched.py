"""Whoever waits for work of other processes notices that one died."""

from __future__ import annotations

import threading
import time

import pytest

from bertdata.errors import CrashError
from bertdata.processes import watched
from bertdata.processes.watched import call_watched


def live() -> None:
    """All processes live."""


def fail() -> None:
    raise KeyError("three")


def test_what_is_done_comes_back() -> None:
    assert call_watched(lambda: 3, live) == 3


def test_an_error_is_raised_here() -> None:
    with pytest.raises(KeyError, match="three"):
        call_watched(fail, live)


def test_a_death_ends_the_wait() -> None:
    done = threading.Event()
    deaths = iter([None, None, "was killed by SIGKILL"])
    started = time.monotonic()
    with pytest.raises(CrashError, match="a worker was killed by SIGKILL; if memory"):
        call_watched(done.wait, lambda: next(deaths))
    done.set()
    assert time.monotonic() - started < 5


def test_a_death_comes_before_the_error_that_it_led_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which comes first: the system tells of the death a moment later."""
    monkeypatch.setattr(watched, "_LOOK_SECONDS", 0.5)
    started = time.monotonic()

    def find_death() -> str | None:
        return "exited 3" if time.monotonic() - started > 0.3 else None

    with pytest.raises(CrashError, match="a worker exited 3; "):
        call_watched(fail, find_death)
