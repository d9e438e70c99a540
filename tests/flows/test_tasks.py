"""Tasks and flows: which stages run on what, and what is tried again. Functions, no server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bertdata.config import to_table
from bertdata.errors import BertdataError, ConfigError, CrashError, StorageError
from flows import end_to_end, stages, tasks
from flows.config import DEMO_CONFIG, Run, load_config
from flows.paths import RunPaths

TASKS = ("make_sentences", "make_vocabulary", "make_examples", "train_model", "write_report")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(config=load_config(DEMO_CONFIG), base=tmp_path, paths=RunPaths(tmp_path / "run"))


@pytest.mark.parametrize("name", TASKS[:-1])
def test_a_task_is_its_stage(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, name, lambda run, say: (run, say))
    monkeypatch.setattr(tasks, "_say", lambda: print)
    assert getattr(tasks, name).fn(run) == (run, print)


@pytest.mark.parametrize(
    ("flow", "called"),
    [
        ("run", TASKS),
        ("sentences", TASKS[:1]),
        ("vocab", TASKS[1:2]),
        ("examples", TASKS[2:3]),
        ("train", TASKS[3:4]),
    ],
)
def test_a_flow_opens_the_run_once_and_hands_it_on(
    flow: str, called: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Run]] = []
    for name in TASKS:
        monkeypatch.setattr(tasks, name, lambda run, name=name: calls.append((name, run)))
    table = to_table(run.config)
    getattr(end_to_end, flow).fn(table, str(run.base), str(run.paths.output))
    assert calls == [(name, run) for name in called]
    assert len({id(opened) for _, opened in calls}) == 1


@pytest.mark.parametrize(
    ("error", "is_tried_again"),
    [
        (CrashError("killed"), True),
        (StorageError("503"), True),
        (ConfigError("no"), False),
        (BertdataError("no"), False),
    ],
)
def test_only_what_may_succeed_is_tried_again(error: Exception, is_tried_again: bool) -> None:
    from prefect.states import Failed

    task_run = None  # is not looked at
    state = Failed(data=error)
    assert asyncio.run(tasks._may_succeed(tasks.make_sentences, task_run, state)) is is_tried_again
