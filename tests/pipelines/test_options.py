"""Runner configuration to Beam's options."""

from __future__ import annotations

import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.portable_runner import PortableRunner

from bertdata.errors import ConfigError
from pipelines.options import RunnerConfig, available_cores, beam_arguments, open_runner


def test_workers_of_the_embedded_runner_are_counted() -> None:
    one = beam_arguments(RunnerConfig(workers=1, options=("--x=1",)))
    assert one == ["--direct_num_workers=1", "--x=1"]
    assert beam_arguments(RunnerConfig(workers=3)) == ["--direct_num_workers=3"]
    assert RunnerConfig().num_workers == available_cores() >= 1


def test_little_text_is_worth_one_process() -> None:
    config = RunnerConfig(workers=8)
    assert config.for_text(20_000).num_workers == 1
    assert config.for_text(50_000_000).num_workers == 8
    assert RunnerConfig(name="FlinkRunner", workers=8).for_text(1).workers == 8


def test_other_runners_are_named_to_beam() -> None:
    config = RunnerConfig(name="PortableRunner", options=("--job_endpoint=localhost:1",))
    assert beam_arguments(config) == ["--runner=PortableRunner", "--job_endpoint=localhost:1"]


def test_the_embedded_runner_is_made_by_hand() -> None:
    """Beam's DirectRunner would download another one."""
    with open_runner(RunnerConfig(workers=1)) as (embedded, find_death):
        assert type(embedded) is FnApiRunner
        assert find_death() is None
    with open_runner(RunnerConfig(name="PortableRunner")) as (portable, find_death):
        assert type(portable) is PortableRunner
        assert find_death() is None


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
