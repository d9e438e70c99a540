"""One Prefect task a stage: a line around a function of `flows.stages`.

Only paths, overrides and small results pass through Prefect. A child that crashed is tried again
(what it had finished stays finished); an error in the input or configuration is not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from bertdata.errors import CrashError
from flows import stages
from flows.config import load_config
from flows.paths import RunPaths
from flows.stages import Run, Say
from flows.views import report

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _open_run(config: str, overrides: list[str], output: str) -> Run:
    """The run that a configuration file, overrides and an output folder name."""
    path = Path(config)
    return Run(config=load_config(path, overrides), base=path.parent, paths=RunPaths(Path(output)))


async def _is_crash(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task is worth another try."""
    try:
        await state.aresult()
    except CrashError:
        return True
    except BaseException:
        return False
    return False


def _say() -> Say:
    """Print a line for who watches the terminal, and log it for who watches Prefect."""
    logger = get_run_logger()

    def both(line: str) -> None:
        print(line, flush=True)
        logger.info(line)

    return both


def _stage_task(title: str) -> Callable[[Callable[_P, _R]], Task[_P, _R]]:
    """The decorator of a stage: its name in Prefect says what happens."""
    return task(
        name=title,
        task_run_name=title,
        retries=2,
        retry_delay_seconds=1,
        retry_condition_fn=_is_crash,
    )


@_stage_task("Split corpora into sentences")
def make_sentences(config: str, overrides: list[str], output: str) -> str:
    """The `sentences/` stage; returns its content hash."""
    return stages.make_sentences(_open_run(config, overrides, output), _say())


@_stage_task("Train the vocabulary")
def make_vocabulary(config: str, overrides: list[str], output: str) -> str:
    """The `vocab/` stage; returns its content hash."""
    return stages.make_vocabulary(_open_run(config, overrides, output), _say())


@_stage_task("Make MLM and NSP examples")
def make_examples(config: str, overrides: list[str], output: str) -> str:
    """The `examples/` stage; returns its content hash."""
    return stages.make_examples(_open_run(config, overrides, output), _say())


@_stage_task("Pre-train BERT")
def train_model(config: str, overrides: list[str], output: str) -> dict[str, Any]:
    """The `model/` stage; returns its results."""
    return stages.train_model(_open_run(config, overrides, output), _say())


@_stage_task("Write the report")
def write_report(output: str) -> str:
    """The HTML page about a run; returns its path."""
    return str(report.write_report(RunPaths(Path(output))))
