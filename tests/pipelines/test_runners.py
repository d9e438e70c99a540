"""Beam's runners, by their configuration."""

from __future__ import annotations

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, SetupOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.portable_runner import PortableRunner

from pipelines.options import RunnerConfig
from pipelines.runners import beam_arguments, beam_options, open_runner


def test_workers_of_the_embedded_runner_are_an_option() -> None:
    one = beam_arguments(RunnerConfig(workers=1, options=("--x=1",)))
    assert one == ["--direct_num_workers=1", "--x=1"]
    assert beam_arguments(RunnerConfig(workers=3)) == ["--direct_num_workers=3"]


def test_other_runners_are_named_to_beam() -> None:
    config = RunnerConfig(name="PortableRunner", options=("--job_endpoint=localhost:1",))
    assert beam_arguments(config) == ["--runner=PortableRunner", "--job_endpoint=localhost:1"]


def test_options_are_parsed_once_and_shared_as_beams_own_are() -> None:
    config = RunnerConfig(workers=3, options=("--job_endpoint=localhost:1",))
    options, usual = beam_options(config), PipelineOptions(beam_arguments(config))
    assert options.get_all_options() == usual.get_all_options()
    view = options.view_as(PortableOptions)
    assert view.job_endpoint == "localhost:1"
    assert options.view_as(PortableOptions) is view
    options.view_as(SetupOptions).save_main_session = True
    assert view.view_as(SetupOptions).save_main_session


def test_the_embedded_runner_is_made_by_hand() -> None:
    """Beam's DirectRunner would download another one."""
    with open_runner(RunnerConfig(workers=1)) as embedded:
        assert type(embedded) is FnApiRunner
    with open_runner(RunnerConfig(name="PortableRunner")) as portable:
        assert type(portable) is PortableRunner
