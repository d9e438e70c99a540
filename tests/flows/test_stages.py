"""The parts of stages that need no process: flags, notices, errors, what has to be there first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bertdata.errors import BertdataError, ConfigError, CrashError, DataError, InputError
from flows import stages
from flows.config import Run, RunConfig
from flows.paths import RunPaths
from flows.processes.jobs import JobDiedError
from flows.stages import _Listener, _pass_notices_on, _training_error, train_arguments
from pipelines.options import RunnerConfig
from pipelines.progress import StagePlan
from trainer.pretraining.config import TrainConfig


def test_the_trainers_flags_leave_out_what_is_not_set() -> None:
    arguments = train_arguments(TrainConfig.of(model="mini", steps=7))
    assert "--model=mini" in arguments
    assert "--steps=7" in arguments
    assert not [argument for argument in arguments if argument.startswith("--init_from")]


def test_notices_come_before_the_lines_after_them() -> None:
    said: list[str] = []
    listener = _Listener(said.append)
    listener.take_output("step 1")
    listener.take_error("note: two rows")
    listener.take_error("Traceback")
    listener.take_output("step 2")
    assert said == ["step 1", "note: two rows", "step 2"]
    assert list(listener.errors) == ["note: two rows", "Traceback"]


def test_only_the_notices_of_a_log_are_passed_on(tmp_path: Path) -> None:
    said: list[str] = []
    _pass_notices_on(tmp_path / "none.log", said.append)
    (tmp_path / "log").write_bytes(b"Traceback \xff\nnote: an empty line\n")
    _pass_notices_on(tmp_path / "log", said.append)
    assert said == ["note: an empty line"]


@pytest.mark.parametrize(
    ("status", "lines", "kind", "message"),
    [
        (2, ["note: x", "error: no key"], ConfigError, "no key"),
        (1, ["error: a disk", "torchrun: failed"], BertdataError, "a disk"),
        (1, ["error: first", "error: last"], BertdataError, "last"),
        (1, ["Traceback", "KeyError: 3"], CrashError, "training exited 1: Traceback / KeyError: 3"),
    ],
)
def test_what_the_trainer_said_last_is_the_error(
    status: int, lines: Sequence[str], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    error = _training_error(status, lines, tmp_path / "train.log")
    assert type(error) is kind
    assert str(error).startswith(message)


def test_training_wants_finished_examples(tmp_path: Path) -> None:
    run = Run(config=RunConfig(), base=tmp_path, paths=RunPaths(tmp_path / "run"))
    with pytest.raises(
        DataError, match=r"examples is missing or .*; first: bertdata examples CONFIG"
    ):
        stages.train_model(run, print)


@pytest.mark.parametrize(
    ("raised", "message", "is_kept"),
    [
        (JobDiedError(-9), "the sentences job was killed by SIGKILL, as the system does .*", True),
        (JobDiedError(1), "the sentences job exited 1: .* / KeyError: 3 .*; run again to .*", True),
        (CrashError("a worker died"), "a worker died", True),
        (InputError("no such file"), "no such file", False),
    ],
)
def test_the_log_of_a_job_is_kept_where_it_says_more(
    raised: Exception,
    message: str,
    is_kept: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = tmp_path / "sentences.log"

    def run_job(*arguments: object) -> None:
        log.write_text("note: an empty line\nKeyError: 3\n")
        raise raised

    monkeypatch.setattr(stages, "run_job", run_job)
    plan = StagePlan(stage="sentences", folder=tmp_path / "sentences", config={}, inputs={})
    said: list[str] = []
    with pytest.raises(BertdataError) as caught:
        stages._run(plan, RunnerConfig(), log, said.append)
    assert re.fullmatch(message, str(caught.value))
    assert log.exists() is is_kept
    assert said == ([] if is_kept else ["note: an empty line"])
