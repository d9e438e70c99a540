"""The flows: the whole run, and each stage alone.

Their parameters are what Prefect can store, check and show as a form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar, cast

import prefect
from prefect.flows import Flow
from prefect.states import Failed
from prefect.tasks import Task

from bertdata.config import Table
from bertdata.errors import BertdataError
from bertdata.storage.locations import locate
from flows import tasks
from flows.config import Run, RunConfig
from flows.pages.form import Form
from flows.pages.labels import label_run
from flows.paths import RunPaths
from flows.processes.signals import catch_again
from flows.server.temporary import has_own_server

_Config: TypeAlias = Annotated[RunConfig, Form()]
_R = TypeVar("_R")

# As Prefect reads it in a docstring.
_PARAMETERS = """
Args:
    config: What the TOML file of a run holds.
    base: The folder that paths of corpora start from.
    output: The folder for the results, a path or an address; a run goes on with what is there.
"""


def _flow(
    name: str, run_name: str
) -> Callable[[Callable[[_Config, str, str], _R]], Flow[[_Config, str, str], _R]]:
    """The decorator of a flow: its names in Prefect. Its state names the cause if it fails."""

    def decorate(make: Callable[[_Config, str, str], _R]) -> Flow[[_Config, str, str], _R]:
        @functools.wraps(make)
        def make_or_fail(config: _Config, base: str, output: str) -> _R:
            catch_again()  # Prefect takes SIGTERM over, and does not notice where it gets lost
            try:
                return make(config, base, output)
            except BertdataError as error:
                return cast(_R, Failed(message=str(error), data=error))  # Prefect raises the error

        make_or_fail.__doc__ = f"{make.__doc__}\n{_PARAMETERS}"
        described = prefect.flow(name=name, flow_run_name=run_name, description=make.__doc__)
        return described(make_or_fail)

    return decorate


def _make(stage: Task[[Run], _R], run: Run) -> _R:
    """What a task returns. Raises the error that it failed with."""
    return stage(run, return_state=True).result()


def _open_run(config: RunConfig, base: str, output: str) -> Run:
    run = Run(config=config, base=Path(base), paths=RunPaths(locate(output)))
    if has_own_server():
        label_run(run)
    return run


@_flow("bertdata run", "text to BERT: {output}")
def run(config: _Config, base: str, output: str) -> Table:
    """Sentences, vocabulary, examples, training, report; finished stages are skipped."""
    opened = _open_run(config, base, output)
    _make(tasks.make_sentences, opened)
    _make(tasks.make_vocabulary, opened)
    _make(tasks.make_examples, opened)
    results = _make(tasks.train_model, opened)
    _make(tasks.write_report, opened)
    return results


@_flow("bertdata sentences", "sentences: {output}")
def sentences(config: _Config, base: str, output: str) -> str:
    """Only the sentences."""
    return _make(tasks.make_sentences, _open_run(config, base, output))


@_flow("bertdata vocab", "vocabulary: {output}")
def vocab(config: _Config, base: str, output: str) -> str:
    """Only the vocabulary, from finished sentences."""
    return _make(tasks.make_vocabulary, _open_run(config, base, output))


@_flow("bertdata examples", "examples: {output}")
def examples(config: _Config, base: str, output: str) -> str:
    """Only the examples, from finished sentences and vocabulary."""
    return _make(tasks.make_examples, _open_run(config, base, output))


@_flow("bertdata train", "training: {output}")
def train(config: _Config, base: str, output: str) -> Table:
    """Only training, from finished examples."""
    return _make(tasks.train_model, _open_run(config, base, output))
