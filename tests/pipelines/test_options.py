"""Runner configuration to Beam's options."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.portable_runner import PortableRunner

from bertdata.errors import ConfigError
from pipelines.options import (
    RunnerConfig,
    available_cores,
    beam_arguments,
    make_runner,
    num_processes,
    num_seats,
)


def test_one_worker_runs_in_memory_and_several_as_processes() -> None:
    one = beam_arguments(RunnerConfig(workers=1, options=("--x=1",)))
    assert one == ["--direct_running_mode=in_memory", "--direct_num_workers=1", "--x=1"]
    assert "--direct_running_mode=multi_processing" in beam_arguments(RunnerConfig(workers=3))
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
    embedded = make_runner(PipelineOptions(beam_arguments(RunnerConfig(workers=1))))
    assert type(embedded) is FnApiRunner
    assert type(make_runner(PipelineOptions(["--runner=PortableRunner"]))) is PortableRunner


@pytest.mark.parametrize(
    ("arguments", "processes", "seats"),
    [
        (beam_arguments(RunnerConfig(workers=1)), 0, 1),
        (beam_arguments(RunnerConfig(workers=3)), 3, 3),
        (["--direct_running_mode=multi_threading", "--direct_num_workers=3"], 0, 0),
        (["--runner=PortableRunner", "--job_endpoint=localhost:1"], 0, 0),
    ],
)
def test_workers_of_this_machine_are_counted(
    arguments: list[str], processes: int, seats: int
) -> None:
    options = PipelineOptions(arguments)
    assert num_processes(options) == processes
    assert num_seats(options) == seats


@pytest.mark.parametrize("name", ["DaskRunner", "dask"])
def test_runners_that_lose_data_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="DaskRunner loses data"):
        RunnerConfig(name=name)


def test_workers_cannot_be_negative() -> None:
    with pytest.raises(ConfigError, match="workers must be from 0"):
        RunnerConfig(workers=-1)
