"""The embedded runner does not wait for a worker that died."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2 as provision_messages
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

from bertdata.errors import CrashError
from pipelines.workers.watched_runner import WatchedRunner


def run(function: Callable[[int], None], death: str | None) -> None:
    runner = WatchedRunner(
        lambda: death,
        EmbeddedPythonEnvironment.default(),
        ExtendedProvisionInfo(provision_messages.ProvisionInfo()),
    )
    pipeline = beam.Pipeline(runner, PipelineOptions([]))
    _ = pipeline | beam.Create([3]) | beam.Map(function)
    pipeline.run().wait_until_finish()


def test_a_pipeline_runs_to_its_end(tmp_path: Path) -> None:
    run(lambda number: (tmp_path / str(number)).touch(), None)
    assert (tmp_path / "3").exists()


def test_a_death_ends_a_pipeline_that_waits() -> None:
    with pytest.raises(CrashError, match="a worker was killed by SIGKILL; "):
        run(lambda number: time.sleep(number), "was killed by SIGKILL")
