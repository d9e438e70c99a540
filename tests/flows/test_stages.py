"""The parts of stages that need no process: flags, notices, errors, what has to be there first."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import BertdataError, ConfigError, CrashError, DataError, InputError
from bertdata.progress.plan import StagePlan
from bertdata.storage.locks import hold
from bertdata.storage.manifest import make_manifest, read_manifest, write_manifest
from bertdata.storage.shards import describe_file
from flows import stages
from flows.config import Run, RunConfig
from flows.paths import RunPaths
from flows.processes.jobs import JobDiedError
from flows.processes.watchdog import Patience
from flows.stages import _Listener, _pass_notices_on, _training_error, train_arguments
from flows.terminal.events import Event, Note
from pipelines.options import RunnerConfig
from trainer.pretraining.config import TrainConfig


def test_the_trainers_flags_leave_out_what_is_not_set() -> None:
    arguments = train_arguments(TrainConfig.of(model="mini", steps=7))
    assert "--model=mini" in arguments
    assert "--steps=7" in arguments
    assert not [argument for argument in arguments if argument.startswith("--init_from")]


def test_notices_come_before_the_lines_after_them() -> None:
    said: list[Event] = []
    listener = _Listener(said.append)
    listener.take_output("step 1")
    listener.take_error("note: two rows")
    listener.take_error("Traceback")
    listener.take_output("step 2")
    assert list(map(str, said)) == ["step 1", "note: two rows", "step 2"]
    assert list(listener.errors) == ["note: two rows", "Traceback"]


def test_only_the_notices_of_a_log_are_passed_on(tmp_path: Path) -> None:
    said: list[Event] = []
    _pass_notices_on(tmp_path / "none.log", said.append)
    (tmp_path / "log").write_bytes(b"Traceback \xff\nnote: an empty line\n")
    _pass_notices_on(tmp_path / "log", said.append)
    assert said == [Note(text="note: an empty line")]


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
    said: list[Event] = []
    with pytest.raises(BertdataError) as caught:
        stages._run(plan, RunnerConfig(), log, said.append)
    assert re.fullmatch(message, str(caught.value))
    assert log.exists() is is_kept
    assert said == ([] if is_kept else [Note(text="note: an empty line")])


def plan_of(folder: Path) -> StagePlan:
    return StagePlan(stage="sentences", folder=folder, config={}, inputs={})


def finish_stage(folder: Path, kind: str, content: str = "") -> None:
    """A finished stage with one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.arrow").write_text(content)
    shards = [describe_file(folder / "a.arrow", rows=1)]
    write_manifest(folder, make_manifest(kind, config={}, inputs={}, counts={}, shards=shards))


def test_a_stage_is_made_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that Prefect starts too, which have no lock of the command's."""
    folder, held = tmp_path / "sentences", []

    def run_job(*arguments: object) -> None:
        with pytest.raises(BertdataError, match="another run is writing to"), hold(folder):
            pass
        held.append(folder)
        finish_stage(folder, "sentences")

    monkeypatch.setattr(stages, "run_job", run_job)
    with hold(folder), pytest.raises(BertdataError, match="another run is writing to"):
        stages._make(plan_of(folder), RunnerConfig(), print)
    assert held == []
    stages._make(plan_of(folder), RunnerConfig(), print)
    assert held == [folder]


def test_a_job_is_told_how_long_it_may_be_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(stages, "run_job", lambda *arguments: given.append(arguments))
    runner = RunnerConfig(stall_timeout_minutes=3, idle_timeout_minutes=2)
    plan, log = plan_of(tmp_path), tmp_path / "log"
    stages._run(plan, runner, log, print)
    patience = Patience(silent=180, idle=120)
    wanted = (plan, runner), log, print, patience, "the sentences job"
    assert given == [("pipelines.run:run_stage", *wanted)]


def test_a_job_that_waits_for_other_machines_is_never_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(stages, "run_job", lambda *arguments: given.append(arguments))
    runner = RunnerConfig(name="flink", stall_timeout_minutes=3, idle_timeout_minutes=2)
    assert not runner.is_on_this_machine
    stages._run(plan_of(tmp_path), runner, tmp_path / "log", print)
    assert given[0][4] == Patience(silent=180, idle=0)


def test_only_the_last_errors_of_a_training_are_kept() -> None:
    listener = _Listener(print)
    for number in range(1000):
        listener.take_error(f"line {number}")
    assert list(listener.errors) == [f"line {number}" for number in range(800, 1000)]


class Training:
    """A trainer that leaves what a training leaves; it keeps what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments: list[str] = []

    def __call__(
        self,
        module: str,
        arguments: Sequence[str],
        log: Path,
        say: Callable[[str], None],
        take_error: Callable[[str], None],
    ) -> int:
        assert module == "trainer.pretrain"
        with hold(self.folder):  # as the trainer does
            self.arguments = list(arguments)
        log.write_text("")
        for name in stages._MODEL_FILES:
            (self.folder / name).write_text(name)
        (self.folder / "results.json").write_text('{"steps": 3}')
        return 0


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    finish_stage(tmp_path / "run" / "examples", "examples", "first")
    (tmp_path / "run" / "model").mkdir()
    found = Training(tmp_path / "run" / "model")
    monkeypatch.setattr(stages, "run_child", found)
    return found


def run_of(training: Training, seed: int = 7) -> Run:
    config = RunConfig(seed=seed, train=TrainConfig.of(steps=3))
    return Run(config=config, base=training.folder, paths=RunPaths(training.folder.parent))


def test_a_training_is_of_the_seed_and_the_folders_of_its_run(training: Training) -> None:
    output, said = training.folder.parent, list[Event]()
    assert stages.train_model(run_of(training), said.append) == {"steps": 3}
    assert training.arguments[:4] == [
        f"--examples={output}/examples",
        f"--vocab={output}/vocab",
        f"--output={output}/model",
        "--seed=7",
    ]
    assert "--steps=3" in training.arguments[4:]
    manifest = read_manifest(training.folder)
    assert [shard.path for shard in manifest.shards] == [
        "config.json",
        "model.safetensors",
        "results.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert manifest.counts == {"steps": 3}
    assert not (output / "train.log").exists()
    training.arguments.clear()
    assert stages.train_model(run_of(training), said.append) == {"steps": 3}
    assert training.arguments == []
    assert str(said[0]) == "model: started, 3 steps"
    assert str(said[-2]).startswith("model: done in ")
    assert str(said[-1]) == "model: already complete"


def test_a_model_of_another_seed_or_other_examples_is_not_complete(training: Training) -> None:
    stages.train_model(run_of(training), print)
    with pytest.raises(ConfigError, match="seed was 7, now 8"):
        stages.train_model(run_of(training, seed=8), print)
    finish_stage(training.folder.parent / "examples", "examples", "second")
    with pytest.raises(ConfigError, match=r"examples\.content_sha256 was "):
        stages.train_model(run_of(training), print)


def test_a_training_waits_until_the_one_before_has_saved(training: Training) -> None:
    """One whose run was killed holds its folder until its last checkpoint is whole."""
    holding = hold(training.folder)
    holding.__enter__()
    release = threading.Timer(0.3, lambda: holding.__exit__(None, None, None))
    release.start()
    try:
        assert stages.train_model(run_of(training), print) == {"steps": 3}
    finally:
        release.join()


@pytest.mark.parametrize(
    ("status", "kind"), [(2, ConfigError), (1, BertdataError), (-9, BertdataError)]
)
def test_an_error_of_the_trainer_is_raised(
    status: int,
    kind: type[Exception],
    training: Training,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(module: str, arguments: object, log: Path, say: Any, take_error: Any) -> int:
        log.write_text("note: x\nerror: no key\n")
        for line in ("note: x", "error: no key"):
            take_error(line)
        return status

    monkeypatch.setattr(stages, "run_child", fail)
    said: list[Event] = []
    with pytest.raises(kind, match=r"^no key$") as caught:
        stages.train_model(run_of(training), said.append)
    assert type(caught.value) is kind
    assert said[1:] == [Note(text="note: x")]
    assert not (training.folder.parent / "train.log").exists()
    assert not (training.folder / "manifest.json").exists()
