"""The table of the runner: which values it takes, and how many workers there are."""

from __future__ import annotations

import pytest

from bertdata.errors import ConfigError
from bertdata.processes.cores import available_cores
from pipelines.options import RunnerConfig


def test_workers_of_the_embedded_runner_are_counted() -> None:
    assert RunnerConfig(workers=3).num_workers == 3
    assert RunnerConfig().num_workers == available_cores() >= 1


def test_little_text_is_worth_one_process() -> None:
    config = RunnerConfig(workers=8)
    assert config.for_text(20_000).num_workers == 1
    assert config.for_text(50_000_000).num_workers == 8
    assert RunnerConfig(name="FlinkRunner", workers=8).for_text(1).workers == 8


@pytest.mark.parametrize("name", ["DaskRunner", "dask"])
def test_runners_that_lose_data_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="DaskRunner loses data"):
        RunnerConfig(name=name)


def test_workers_cannot_be_negative() -> None:
    with pytest.raises(ConfigError, match="workers must be from 0"):
        RunnerConfig(workers=-1)


def test_a_job_waits_for_ever_or_some_minutes() -> None:
    assert RunnerConfig(stall_timeout_minutes=0).stall_timeout_minutes == 0
    with pytest.raises(ConfigError, match="stall_timeout_minutes must be"):
        RunnerConfig(stall_timeout_minutes=-1)
