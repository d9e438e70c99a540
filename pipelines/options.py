"""The `[runner]` table: which Beam runner does the work, and with how many processes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bertdata.config import check_range
from bertdata.errors import ConfigError
from bertdata.processes.cores import available_cores

# Below this, starting processes takes longer than the work.
_SMALL_TEXT_BYTES = 2 << 20

# Reports success with wrong data: it drops branches and what bundles emit at their end.
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
