"""Tasks and flows: which stages run on what, what is tried again, what their states say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import State

from bertdata.config import to_table
from bertdata.errors import BertdataError, ConfigError, CrashError, DataError, StorageError
from flows import end_to_end, stages, tasks
from flows.config import DEMO_CONFIG, Run, load_config
from flows.paths import RunPaths
from flows.terminal.events import Note
from flows.terminal.view import View

TASKS = ("make_sentences", "make_vocabulary", "make_examples", "train_model", "write_report")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(config=load_config(DEMO_CONFIG), base=tmp_path, paths=RunPaths(tmp_path / "run"))


@pytest.mark.parametrize("name", TASKS[:-1])
def test_a_task_is_its_stage(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, name, lambda run, say: (run, say))
    monkeypatch.setattr(tasks, "_say", lambda run: print)
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
        monkeypatch.setattr(tasks, name, name)
    monkeypatch.setattr(end_to_end, "_make", lambda name, run: calls.append((name, run)))
    monkeypatch.setattr(end_to_end, "has_own_server", lambda: False)
    getattr(end_to_end, flow).fn(run.config, str(run.base), str(run.paths.output))
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
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    logger = SimpleNamespace(log=lambda level, line: logged.append(line))
    monkeypatch.setattr(tasks, "get_run_logger", lambda: logger)
    monkeypatch.setattr(tasks, "has_own_server", lambda: False)
    line = Note(text="sentences: 1 of 2 parts")
    with View().showing():
        tasks._say(run)(line)
    assert capsys.readouterr().out == "sentences: 1 of 2 parts\n"
    tasks._say(run)(line)
    assert capsys.readouterr().out == ""  # Prefect prints its log
    assert logged == ["sentences: 1 of 2 parts"] * 2


CAUSE = "sentences/ is missing; first: bertdata sentences CONFIG.toml"


@pytest.mark.usefixtures("prefect_server")
def test_states_of_what_fails_name_the_cause(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str | None] = []

    def fail(run: Run, say: object) -> str:
        raise DataError(CAUSE)

    def note(task: object, task_run: object, state: State[object]) -> None:
        messages.append(state.message)

    monkeypatch.setattr(stages, "make_vocabulary", fail)
    watched = tasks.make_vocabulary.with_options(on_failure=[note])
    monkeypatch.setattr(tasks, "make_vocabulary", watched)
    given = (to_table(run.config), str(run.base), str(run.paths.output))
    assert end_to_end.vocab(*given, return_state=True).message == CAUSE
    assert messages == [CAUSE]
    with pytest.raises(DataError, match=CAUSE):
        end_to_end.vocab(*given)


@pytest.mark.usefixtures("prefect_server")
def test_what_is_tried_again_says_why(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([CrashError("the vocab job was killed by SIGKILL"), "the hash"])

    def make(run: Run, say: object) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(stages, "make_vocabulary", make)
    given = (to_table(run.config), str(run.base), str(run.paths.output))
    with View().showing():
        assert end_to_end.vocab(*given) == "the hash"
    why = "warning: the vocab job was killed by SIGKILL; try 2 of 3 in 1 s"
    assert why in capsys.readouterr().out
