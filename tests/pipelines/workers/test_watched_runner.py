"""Whoever waits for work of a pool notices that a worker died."""

from __future__ import annotations

import threading
import time

import pytest

from pipelines.workers.watched_runner import call_watched


def live() -> None:
    """All workers live."""


def test_what_is_done_comes_back() -> None:
    assert call_watched(lambda: 3, live) == 3


def test_an_error_is_raised_here() -> None:
    def fail() -> None:
        raise KeyError("three")

    with pytest.raises(KeyError, match="three"):
        call_watched(fail, live)


def test_a_death_ends_the_wait() -> None:
    done = threading.Event()
    deaths = iter([None, None, "was killed by SIGKILL"])
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="a worker was killed by SIGKILL"):
        call_watched(done.wait, lambda: next(deaths))
    done.set()
    assert time.monotonic() - started < 5
