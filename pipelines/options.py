"""Which Beam runner does the work, and with how many processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bertdata.config import check_range
from bertdata.errors import ConfigError

# Below this, starting processes takes longer than the work.
_SMALL_TEXT_BYTES = 2 << 20

# Reports success with wrong data: it drops branches and what bundles emit at their end.
_JAVA = (
    "; it needs a Java runtime and Beam's job server: name its archive, as in "
    'options = ["--{name}_job_server_jar=PATH"], or one that runs, as in --job_endpoint=HOST:PORT'
)
# What runners need that is not installed with this package.
_NEEDS = {
    "flink": _JAVA.format(name="flink"),
    "spark": _JAVA.format(name="spark"),
    "dataflow": "; it needs pip install 'apache-beam[gcp]', a project and a region",
    "prism": "; it needs its program: --prism_location=PATH",
}
_MAX_LETTERS = 300  # of what a runner says
_REFUSED = {"dask": "DaskRunner", "daskrunner": "DaskRunner"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerConfig:
    """The `[runner]` table.

    `name`: "direct" (embedded, on this machine) or any Beam runner, such as "FlinkRunner".
    `workers`: processes of the embedded runner, 0 for one a core; the result is the same for any.
    `options`: further Beam options, such as ["--flink_master=host:8081"]. `spill`: a folder that
    all workers see, for text that waits for other text; left out, it is in the output folder for
    "direct", and in the runner itself otherwise; "none" is always in the runner itself.
    `stall_timeout_minutes`: a job that gets nothing done for so long is ended and tried again;
    0: never. `idle_timeout_minutes`: the same for a job on this machine that does not even compute.
    """

    name: str = "direct"
    workers: int = 0
    options: tuple[str, ...] = ()
    spill: str | None = None
    stall_timeout_minutes: float = 60.0
    idle_timeout_minutes: float = 2.0

    def __post_init__(self) -> None:
        check_range("workers", self.workers, 0, 1024)
        for name in ("stall_timeout_minutes", "idle_timeout_minutes"):
            check_range(name, getattr(self, name), 0, 2**31)
        if (refused := _REFUSED.get(self.name.lower())) is not None:
            raise ConfigError(
                f"runner {refused} loses data; use direct, FlinkRunner, SparkRunner, DataflowRunner"
            )

    @property
    def num_workers(self) -> int:
        """Processes of the embedded runner, at least 1."""
        return self.workers or available_cores()

    @property
    def is_on_this_machine(self) -> bool:
        """Whether all work is done by processes that the job starts."""
        return self.name == "direct" and not any("environment" in option for option in self.options)

    def for_text(self, text_bytes: int) -> RunnerConfig:
        """The same runner with one process where there is little text."""
        is_small = self.name == "direct" and text_bytes < _SMALL_TEXT_BYTES
        return replace(self, workers=1) if is_small else self


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def beam_arguments(config: RunnerConfig) -> list[str]:
    """The Beam command-line options of a runner configuration."""
    if config.name != "direct":
        return [f"--runner={config.name}", *config.options]
    return [f"--direct_num_workers={config.num_workers}", *config.options]


@contextmanager
def open_runner(config: RunnerConfig) -> Iterator[tuple[Any, Callable[[], str | None]]]:
    """Beam's runner for a configuration, and a function that tells how a worker of it died.

    The embedded runner with several workers gets processes of our own, unless the options name an
    EXTERNAL environment; to be entered before this process has any other thread. Beam's default
    runner is never used: it tries to download another.
    """
    if config.name != "direct":
        yield _create_runner(config.name), lambda: None
    elif (environment := _external_environment(config)) or config.num_workers == 1:
        from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

        yield FnApiRunner(**_embedded_options(config, environment)), lambda: None
    else:
        from apache_beam.transforms.environments import ExternalEnvironment

        from pipelines.workers.pool import open_pool
        from pipelines.workers.watched_runner import WatchedRunner

        with open_pool(config.num_workers) as pool:
            options = _embedded_options(config, ExternalEnvironment(pool.address))
            yield WatchedRunner(pool.find_death, **options), pool.find_death


def _create_runner(name: str) -> Any:
    """A runner by its name. Raises ConfigError when Beam does not know it."""
    from apache_beam.runners.runner import create_runner

    try:
        return create_runner(name)
    except (ImportError, ValueError, AttributeError) as error:
        raise ConfigError(f"[runner] name = {name!r}: {describe_failure(name, error)}") from error


def describe_failure(name: str, error: Exception) -> str:
    """Why a runner did not run a pipeline, on one line, and what it may lack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    is_traceback = any(line.startswith("Traceback") for line in lines)
    said = lines[-1] if is_traceback else " ".join(lines)
    needs = _NEEDS.get(name.lower().removesuffix("runner"), "")
    return f"{said[:_MAX_LETTERS] or type(error).__name__}{needs}"


def _external_environment(config: RunnerConfig) -> Any:
    """The environment of workers that somebody else starts, if the options name one."""
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
    from apache_beam.transforms.environments import ExternalEnvironment

    options = PipelineOptions(list(config.options)).view_as(PortableOptions)
    is_external = options.environment_type == "EXTERNAL"
    return ExternalEnvironment.from_options(options) if is_external else None


def _embedded_options(config: RunnerConfig, environment: Any) -> dict[str, Any]:
    """Of the runner in this process. `environment`: of its workers; None: this process."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability.api import beam_provision_api_pb2 as provision
    from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    options = PipelineOptions(beam_arguments(config)).get_all_options()
    encoded = JobServiceHandle.encode_pipeline_options(options)
    information = provision.ProvisionInfo(pipeline_options=encoded)
    return {
        "default_environment": environment,
        "provision_info": ExtendedProvisionInfo(information),
    }
