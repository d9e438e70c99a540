"""The embedded runner, for as long as its workers live: it would wait for a dead one for ever."""

from __future__ import annotations

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import Pipeline
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
    RunnerResult,
)
from apache_beam.transforms.environments import Environment

from bertdata.processes.watched import FindDeath, call_watched


class WatchedRunner(FnApiRunner):
    """Raises CrashError when a worker has died."""

    def __init__(
        self, find_death: FindDeath, environment: Environment, provision: ExtendedProvisionInfo
    ) -> None:
        super().__init__(environment, provision_info=provision)
        self._find_death = find_death

    def run_pipeline(self, pipeline: Pipeline, options: PipelineOptions) -> RunnerResult:
        """Run a pipeline to its end."""
        return call_watched(
            lambda: FnApiRunner.run_pipeline(self, pipeline, options), self._find_death
        )
