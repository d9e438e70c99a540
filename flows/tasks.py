"""One Prefect task per stage: one line around a function of `flows.stages`.

A child that crashed is tried again and continues where it was, as is one whose storage did not
answer. Errors in the input or the
configuration are not tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from bertdata.errors import CrashError, StorageError
from flows import stages
from flows.config import Run, Table
from flows.terminal.events import Event, Say
from flows.terminal.view import current_view

_RETRY_SECONDS: list[float] = [1, 10]
_P = ParamSpec("_P")
_R = TypeVar("_R")


async def _may_succeed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task is worth another try."""
    try:
        await state.aresult()
    except (CrashError, StorageError):
        return True
    except BaseException:
        return False
    return False


def _say() -> Say:
    """A function that shows what happens on the terminal and logs it in Prefect."""
    logger, view = get_run_logger(), current_view()

    def both(event: Event) -> None:
        view.show(event)
        logger.info(str(event))

    return both


def _stage_task(title: str) -> Callable[[Callable[_P, _R]], Task[_P, _R]]:
    """The decorator of a stage. `title`: its name in Prefect."""
    return task(
        name=title,
        task_run_name=title,
        retries=2,
        retry_delay_seconds=_RETRY_SECONDS,
        retry_condition_fn=_may_succeed,
        cache_policy=NO_CACHE,  # a stage knows itself whether it is complete
    )


@_stage_task("Split corpora into sentences")
def make_sentences(run: Run) -> str:
    """The `sentences/` stage; returns its content hash."""
    return stages.make_sentences(run, _say())


@_stage_task("Train the vocabulary")
def make_vocabulary(run: Run) -> str:
    """The `vocab/` stage; returns its content hash."""
    return stages.make_vocabulary(run, _say())


@_stage_task("Make MLM and NSP examples")
def make_examples(run: Run) -> str:
    """The `examples/` stage; returns its content hash."""
    return stages.make_examples(run, _say())


@_stage_task("Pre-train BERT")
def train_model(run: Run) -> Table:
    """The `model/` stage; returns its results."""
    return stages.train_model(run, _say())


@_stage_task("Write the report")
def write_report(run: Run) -> str:
    """The HTML page about a run; returns its path."""
    from flows.views.report import page  # only here: it takes what draws the figures with it

    return str(page.write_report(run.paths))
