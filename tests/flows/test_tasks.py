"""Tasks and flows: which stages run on what, and what is tried again. Functions, no server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

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
        (KeyError("a bug"), False),
        (KeyboardInterrupt(), False),
        (ConfigError("no"), False),
        (BertdataError("no"), False),
    ],
)
def test_only_what_may_succeed_is_tried_again(error: BaseException, is_tried_again: bool) -> None:
    from prefect.states import Failed

    task_run = None  # is not looked at
    state = Failed(data=error) if isinstance(error, Exception) else _Raising(error)
    assert asyncio.run(tasks._may_succeed(tasks.make_sentences, task_run, state)) is is_tried_again


class _Raising:
    """The state of a task that something other than an error ended."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def aresult(self) -> None:
        raise self._error


@pytest.mark.parametrize("name", TASKS[:-1])
def test_a_stage_is_tried_three_times_at_most_and_never_left_out(name: str) -> None:
    from prefect.cache_policies import NO_CACHE

    task = getattr(tasks, name)
    assert (task.retries, task.retry_delay_seconds) == (2, [1, 10])
    assert task.retry_condition_fn is tasks._may_succeed
    assert task.cache_policy == NO_CACHE


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("error", "tries"), [(CrashError, 3), (StorageError, 3), (ConfigError, 1), (KeyError, 1)]
)
def test_a_stage_that_fails_is_tried_again_if_that_may_help(
    error: type[Exception], tries: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow

    calls: list[Run] = []

    def fail(run: Run, say: object) -> None:
        calls.append(run)
        raise error("failed")

    monkeypatch.setattr(stages, "make_sentences", fail)
    quick = tasks.make_sentences.with_options(retry_delay_seconds=0)
    with pytest.raises(error):
        flow(lambda: quick(run), name="try")()
    assert len(calls) == tries


def test_a_line_is_printed_and_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    logger = SimpleNamespace(info=logged.append)
    monkeypatch.setattr(tasks, "get_run_logger", lambda: logger)
    tasks._say()("sentences: 1 of 2 parts")
    assert capsys.readouterr().out == "sentences: 1 of 2 parts\n"
    assert logged == ["sentences: 1 of 2 parts"]
