"""Which Beam runner does the work, and with how many processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bertdata.config import check_range
from bertdata.errors import ConfigError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# Below this, starting processes takes longer than the work.
_SMALL_TEXT_BYTES = 2 << 20

# Reports success with wrong data: it drops branches and what bundles emit at their end.
_REFUSED = {"dask": "DaskRunner", "daskrunner": "DaskRunner"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerConfig:
    """The `[runner]` table.

    `name`: "direct" (embedded, on this machine) or any Beam runner, such as "FlinkRunner".
    `workers`: processes of the embedded runner, 0 for one a core; the result is the same for any.
    `options`: further Beam options, such as ["--flink_master=host:8081"].
    `stall_timeout_minutes`: a job that gets nothing done for so long is ended and tried again;
    0: never.
    """

    name: str = "direct"
    workers: int = 0
    options: tuple[str, ...] = ()
    stall_timeout_minutes: float = 60.0

    def __post_init__(self) -> None:
        check_range("workers", self.workers, 0, 1024)
        check_range("stall_timeout_minutes", self.stall_timeout_minutes, 0, float("inf"))
        if (refused := _REFUSED.get(self.name.lower())) is not None:
            raise ConfigError(
                f"runner {refused} loses data; use direct, FlinkRunner, SparkRunner, DataflowRunner"
            )

    @property
    def num_workers(self) -> int:
        """Processes of the embedded runner, at least 1."""
        return self.workers or available_cores()

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
    mode = "in_memory" if config.num_workers == 1 else "multi_processing"
    return [
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={config.num_workers}",
        *config.options,
    ]


def num_processes(options: PipelineOptions) -> int:
    """Worker processes that the embedded runner will want; 0 where it works in its own."""
    from apache_beam.options.pipeline_options import DirectOptions

    direct = options.view_as(DirectOptions)
    is_many = direct.direct_running_mode == "multi_processing"
    return int(direct.direct_num_workers) if _is_embedded(options) and is_many else 0


def num_seats(options: PipelineOptions) -> int:
    """Workers that are all on this machine: its processes, or one; 0 where that is not known."""
    from apache_beam.options.pipeline_options import DirectOptions

    is_alone = options.view_as(DirectOptions).direct_running_mode == "in_memory"
    return num_processes(options) or int(_is_embedded(options) and is_alone)


def _is_embedded(options: PipelineOptions) -> bool:
    from apache_beam.options.pipeline_options import StandardOptions

    return options.view_as(StandardOptions).runner is None


def make_runner(options: PipelineOptions) -> Any:
    """The runner that Beam's options name; the embedded one when they name none.

    Beam's own default first tries to download a runner; so the embedded one is named here.
    """
    from apache_beam.options.pipeline_options import StandardOptions
    from apache_beam.runners import runner
    from apache_beam.runners.portability.fn_api_runner import fn_runner

    if (name := options.view_as(StandardOptions).runner) is not None:
        return runner.create_runner(name)
    return fn_runner.FnApiRunner()
