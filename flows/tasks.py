"""One Prefect task per stage: one line around a function of `flows.stages`.

A child that crashed is tried again and continues where it was, as is one whose storage did not
answer. Errors in the input or the configuration are not tried again. Either way the message of the
task's state is the line that names the cause.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar, cast

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.states import Failed
from prefect.tasks import Task

from bertdata.config import Table
from bertdata.errors import BertdataError, CrashError, StorageError
from flows import stages
from flows.config import Run
from flows.pages.artifacts import StagePages, show_report
from flows.server.temporary import has_own_server
from flows.terminal.events import Event, Note, Say
from flows.terminal.view import current_view

_RETRY_SECONDS: list[float] = [1, 10]
_WORTH_ANOTHER_TRY = (CrashError, StorageError)
_R = TypeVar("_R")


async def _may_succeed(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Whether a failed task is worth another try."""
    try:
        await state.aresult()
    except _WORTH_ANOTHER_TRY:
        return True
    except BaseException:
        return False
    return False


def _say(run: Run) -> Say:
    """A function that shows what happens: on the terminal, in Prefect's log, on its pages."""
    pages = StagePages(run) if has_own_server() else None

    def say(event: Event) -> None:
        _log(event, logging.INFO)
        if pages:
            pages.show(event)

    return say


def _stage_task(title: str) -> Callable[[Callable[[Run], _R]], Task[[Run], _R]]:
    """The decorator of a stage. `title`: its name in Prefect."""

    def decorate(make: Callable[[Run], _R]) -> Task[[Run], _R]:
        @functools.wraps(make)
        def make_or_fail(run: Run) -> _R:
            try:
                return make(run)
            except BertdataError as error:
                _announce_retry(error)
                return cast(_R, Failed(message=str(error), data=error))  # Prefect raises the error

        return task(
            name=title,
            task_run_name=title,
            retries=len(_RETRY_SECONDS),
            retry_delay_seconds=_RETRY_SECONDS,
            retry_condition_fn=_may_succeed,
            cache_policy=NO_CACHE,  # a stage knows itself whether it is complete
        )(make_or_fail)

    return decorate


def _announce_retry(error: BertdataError) -> None:
    """Say why a task is tried again, if it is."""
    context = TaskRunContext.get()
    if context is None or not isinstance(error, _WORTH_ANOTHER_TRY):
        return
    tried = context.task_run.run_count
    if tried <= len(_RETRY_SECONDS):
        again = f"try {tried + 1} of {1 + len(_RETRY_SECONDS)} in {_RETRY_SECONDS[tried - 1]:g} s"
        _log(Note(text=f"warning: {error}; {again}"), logging.WARNING)


def _log(event: Event, level: int) -> None:
    """Show an event on the terminal and log it in Prefect, which prints its log elsewhere."""
    if view := current_view():
        view.show(event)
    get_run_logger().log(level, str(event))


@_stage_task("Split corpora into sentences")
def make_sentences(run: Run) -> str:
    """The `sentences/` stage; returns its content hash."""
    return stages.make_sentences(run, _say(run))


@_stage_task("Train the vocabulary")
def make_vocabulary(run: Run) -> str:
    """The `vocab/` stage; returns its content hash."""
    return stages.make_vocabulary(run, _say(run))


@_stage_task("Make MLM and NSP examples")
def make_examples(run: Run) -> str:
    """The `examples/` stage; returns its content hash."""
    return stages.make_examples(run, _say(run))


@_stage_task("Pre-train BERT")
def train_model(run: Run) -> Table:
    """The `model/` stage; returns its results."""
    return stages.train_model(run, _say(run))


@_stage_task("Write the report")
def write_report(run: Run) -> str:
    """The HTML page about a run; returns its path."""
    from flows.views.report import page  # only here: it takes what draws the figures with it

    written = page.write_report(run.paths)
    if has_own_server():
        show_report(run.paths, written)
    return str(written)
