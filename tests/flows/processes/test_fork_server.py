"""What the fork server and its forks are given, and what this process keeps of it: nothing."""

from __future__ import annotations

import os
import signal
import tempfile
from multiprocessing import forkserver, resource_tracker

import pytest

from flows.processes.fork_server import (
    _environment,
    _preparation_data,
    fork_environment,
    prepare_jobs,
)


def test_a_job_has_one_heap_and_keeps_little_of_arrows_memory() -> None:
    environment = fork_environment()
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert environment["ARROW_DEFAULT_MEMORY_POOL"] == "jemalloc"
    assert environment["TOKENIZERS_PARALLELISM"] == "false"
    assert environment["BERTDATA_PARENT"] == str(os.getpid())


def test_the_environment_of_others_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTDATA_SET", "before")
    before = dict(os.environ)
    with _environment({"BERTDATA_SET": "for others", "BERTDATA_NEW": "1"}):
        assert (os.environ["BERTDATA_SET"], os.environ["BERTDATA_NEW"]) == ("for others", "1")
    assert dict(os.environ) == before


def test_a_job_does_not_run_the_main_module_again() -> None:
    data = _preparation_data("job")
    assert data["name"] == "job"
    assert not [key for key in data if "main" in key]


def test_the_fork_server_is_started_where_ctrl_c_does_not_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ignores the signal itself later; until then it inherits what is blocked here."""
    calls: list[tuple[str, bool, str | None]] = []

    def note(name: str) -> None:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        calls.append((name, signal.SIGINT in blocked, os.environ.get("MALLOC_ARENA_MAX")))

    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(resource_tracker, "ensure_running", lambda: note("tracker"))
    monkeypatch.setattr(forkserver, "ensure_running", lambda: note("server"))
    folder = tempfile.tempdir
    prepare_jobs()
    assert calls == [("tracker", False, "1"), ("server", True, "1")]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert "MALLOC_ARENA_MAX" not in os.environ
    assert tempfile.tempdir == folder
