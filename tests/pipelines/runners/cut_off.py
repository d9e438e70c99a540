"""A stage whose process dies at one step of its writing, as if its machine had failed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from bertdata.progress.lines import StageProgress
from bertdata.progress.plan import StagePlan
from bertdata.progress.workplace import FileRecord, Workplace
from pipelines.options import RunnerConfig
from pipelines.run import run_stage

_EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")


def run_until(plan: StagePlan, step: int, say: Callable[[str], None]) -> str:
    """Run a stage; die at the step-th event that touches a file of the stage."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in _EVENTS and str(arguments[0]).startswith(str(plan.folder)):
            seen += 1
            if seen > step:
                os._exit(9)

    sys.addaudithook(watch)
    return run_stage(plan, RunnerConfig(workers=1), say)


def run_until_a_record(
    plan: StagePlan, runner: RunnerConfig, say: Callable[[StageProgress], None]
) -> str:
    """Run a stage; the process that writes the first record is killed."""
    write = Workplace.write_record

    def write_and_die(workplace: Workplace, record: FileRecord) -> None:
        write(workplace, record)
        os.kill(os.getpid(), signal.SIGKILL)

    Workplace.write_record = write_and_die  # type: ignore[method-assign]
    return run_stage(plan, runner, say)
