"""Beam's runner for a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner, create_runner
from apache_beam.transforms.environments import Environment, ExternalEnvironment

from bertdata.errors import ConfigError
from bertdata.progress.failures import describe_failure
from pipelines.options import RunnerConfig
from pipelines.workers.pool import open_pool
from pipelines.workers.watched_runner import WatchedRunner


def beam_arguments(config: RunnerConfig) -> list[str]:
    """The Beam command-line options of a runner configuration."""
    if config.name != "direct":
        return [f"--runner={config.name}", *config.options]
    return [f"--direct_num_workers={config.num_workers}", *config.options]


class _Options(PipelineOptions):
    """Beam's options, each kind parsed once.

    Beam asks for some several times per transform: a quarter of the time of a small stage.
    """

    def view_as(self, cls: type[Any]) -> Any:
        """The same view each time: all of them share their values."""
        views = vars(self).setdefault("views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]


def beam_options(config: RunnerConfig) -> PipelineOptions:
    """The Beam options of a runner configuration."""
    return _Options(beam_arguments(config))


@contextmanager
def open_runner(config: RunnerConfig) -> Iterator[PipelineRunner]:
    """Beam's runner for a configuration.

    The embedded runner with several workers gets processes of our own, unless the options name an
    EXTERNAL environment; to be entered before this process has any other thread. Beam's default
    runner is never used: it tries to download another.
    """
    options = beam_options(config)
    if config.name != "direct":
        yield _create_runner(config.name)
    elif (environment := _external_environment(options)) or config.num_workers == 1:
        yield FnApiRunner(environment, provision_info=_provision(options))
    else:
        with open_pool(config.num_workers) as pool:
            environment = ExternalEnvironment(pool.address)
            yield WatchedRunner(pool.find_death, environment, _provision(options))


def _create_runner(name: str) -> PipelineRunner:
    """A runner by its name. Raises ConfigError when Beam does not know it."""
    try:
        return create_runner(name)
    except (ImportError, ValueError, AttributeError) as error:
        what = describe_failure(name, error)
        raise ConfigError(f"[runner] name = {name!r}: {what}; use direct, if in doubt") from error


def _external_environment(options: PipelineOptions) -> Environment | None:
    """The environment of workers that somebody else starts, if the options name one."""
    portable = options.view_as(PortableOptions)
    is_external = portable.environment_type == "EXTERNAL"
    return ExternalEnvironment.from_options(portable) if is_external else None


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    """What the embedded runner tells its workers of the options."""
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    return ExtendedProvisionInfo(provision.ProvisionInfo(pipeline_options=encoded))
