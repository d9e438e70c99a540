"""What tests of flows share, as it takes seconds to make: a Prefect server, a finished run."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bertdata.progress.plan import StagePlan
from bertdata.storage.locks import hold
from flows import stages
from flows.commands import models
from flows.config import Run, load_config
from flows.paths import RunPaths
from flows.server.process import ServerProcess
from flows.server.settings import prepare_environment
from pipelines.options import RunnerConfig
from tests.process_tree import marked, start_fork_server_again, wait_until_gone

MAKERS = {
    "sentences": stages.make_sentences,
    "vocab": stages.make_vocabulary,
    "examples": stages.make_examples,
    "model": stages.train_model,
}
_PATIENCE_SECONDS = 180
# A run on a small corpus; what follows it are further keys of training.
SMALL = """
seed = 7
[[corpus]]
name = "books"
format = "text"
paths = ["books/*.txt"]
[vocab]
size = 60
[examples]
max_seq_length = 32
dupe_factor = 2
validation_fraction = 0.2
num_shards = 3
[runner]
workers = 1
[train]
hidden_size = 16
num_layers = 1
num_heads = 1
threads = 1
"""


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real, temporary Prefect server that this process and its flows talk to.

    Yields the environment of other clients.
    """
    prepare_environment()
    made, own = _made_database(tmp_path_factory), tmp_path_factory.mktemp("server") / "prefect.db"
    with contextlib.ExitStack() as stack:
        with hold(made.parent, _PATIENCE_SECONDS):
            if made.exists():
                shutil.copy(made, own)
            server = stack.enter_context(ServerProcess(own))
            assert server.wait() is None
            if not made.exists():
                _copy_database(own, made)
        with warnings.catch_warnings():
            # Prefect's own imports warn; what they warn of is not ours to mend.
            warnings.simplefilter("ignore")
            from prefect.settings import (
                PREFECT_API_AUTH_STRING,
                PREFECT_API_URL,
                temporary_settings,
            )
        how = {PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: server.password}
        stack.enter_context(temporary_settings(how))
        yield server.for_clients


@pytest.fixture(scope="session")
def prefect_database(
    prefect_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A Prefect database with all tables and no records, which takes seconds to make."""
    return _made_database(tmp_path_factory)


def _made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first server of all of pytest's processes leaves its tables for the others."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "prefect.db"


def _copy_database(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as database,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a run on a small corpus, to be finished in seconds."""
    from tests.pipelines.corpus import write_books  # only here, as below: it takes Beam and NLTK

    folder = tmp_path_factory.mktemp("small")
    write_books(folder / "books")
    config = folder / "small.toml"
    config.write_text(f"{SMALL}steps = 6\ncheckpoint_every = 2\n")
    return config


@pytest.fixture(scope="session")
def finished(small_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a finished run of `small_config`, made in this process; tests only read it."""
    from flows.views.report.page import write_report  # only here: it takes what draws the figures

    paths = RunPaths(tmp_path_factory.mktemp("finished") / "run")
    run = Run(config=load_config(small_config), base=small_config.parent, paths=paths)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _train_in_process(patch)
        _work_in_process(patch)
        for make in MAKERS.values():
            make(run, lambda event: None)
        write_report(paths)
    assert isinstance(paths.output, Path)
    return paths.output


@pytest.fixture
def trainer_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the trainer's commands in this process: in one of their own they import torch again."""
    _train_in_process(monkeypatch)


@pytest.fixture
def jobs_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run jobs in this process, with one worker."""
    _work_in_process(monkeypatch)


def _train_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_call", _call)
    monkeypatch.setattr(stages, "run_child", _run_child)


def _work_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "run_job", _run_job)


def _run_job(function: str, arguments: tuple[StagePlan, RunnerConfig], *_: object) -> str:
    from tests.runs import make_stage

    plan, _runner = arguments
    return make_stage(plan).content_sha256


def _call(module: str, arguments: Sequence[str]) -> int:
    found = importlib.import_module(module)
    if hasattr(found, "__path__"):  # `python -m` runs this module of a package
        found = importlib.import_module(f"{module}.__main__")
    try:
        return int(found.main(arguments))
    except SystemExit as usage:
        return int(usage.code or 0)


def _run_child(
    module: str,
    arguments: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    take_error: Callable[[str], None],
) -> int:
    """As `flows.processes.children.run_child`, without a process and a log."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = _call(module, arguments)
    for stream, take in ((errors, take_error), (output, say)):
        for line in stream.getvalue().splitlines():
            take(line)
    return status


@pytest.fixture(scope="module")
def mark() -> Iterator[str]:
    """By which the processes of a module's own fork server are found."""
    environment, mark = marked({})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        start_fork_server_again()
        yield mark
        start_fork_server_again()
    assert wait_until_gone(mark, 2) == []
