"""A stage whose process dies at one step of its writing, as if its machine had failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from bertdata.progress.plan import StagePlan
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
