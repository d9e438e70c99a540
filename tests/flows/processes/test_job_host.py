"""The host runs one job after the other, survives their deaths, and ends with its starter."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.processes import job_host
from flows.processes.job_host import end_host, run_job, start_host


@pytest.fixture(autouse=True, scope="module")
def no_host_is_left() -> Iterator[None]:
    yield
    end_host()


@pytest.fixture(autouse=True)
def host(no_host_is_left: None) -> None:
    """A host; the one of the test before if that is still alive."""
    start_host()


def test_jobs_run_one_after_the_other_in_one_host(tmp_path: Path) -> None:
    lines: list[str] = []
    (process,) = job_host._hosts
    for _ in range(2):
        assert run_job("tests.flows.killed_job", [], tmp_path / "log", lines.append) == (
            -signal.SIGKILL
        )
    assert run_job("tests.flows.no_such_job", [], tmp_path / "log", lines.append) == 1
    assert "No module named 'tests.flows.no_such_job'" in (tmp_path / "log").read_text()
    assert job_host._hosts == [process]
    assert lines == []


def test_a_host_that_died_is_replaced(tmp_path: Path) -> None:
    (process,) = job_host._hosts
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run_job("tests.flows.no_such_job", [], tmp_path / "log", print) == 1
    assert job_host._hosts != [process]


def test_an_interrupt_ends_the_host_and_its_job(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    (process,) = job_host._hosts
    with pytest.raises(KeyboardInterrupt):
        run_job("tests.flows.talking_job", [], tmp_path / "log", interrupt)
    assert process.poll() is not None
    assert job_host._hosts == []
