"""The four stages as plain functions: skip what is complete, make the rest in child processes."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from bertdata.config import Table, to_table
from bertdata.errors import BertdataError, ConfigError, CrashError, DataError
from bertdata.notices import is_notice
from bertdata.plans.examples import plan_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.punkt import plan_punkt
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, prepare_stage, write_plan
from bertdata.sentences.splitter import TRAIN
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.locks import hold
from bertdata.storage.manifest import (
    Manifest,
    is_complete,
    read_manifest,
    write_manifest,
)
from bertdata.storage.shards import describe_file
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.tokenizer_settings import has_tokenizer
from bertdata.tokens.vocabulary import read_vocabulary
from flows.config import Run, RunConfig
from flows.processes.children import run_child
from flows.processes.endings import crash
from flows.processes.jobs import JobDiedError, run_job
from flows.processes.watchdog import Patience
from flows.terminal.events import Note, Say, StageFinished, StageStarted, read_trainer_line
from flows.views.summary import describe_made
from flows.wording import repeated_ids
from pipelines.options import RunnerConfig
from trainer.pretraining.config import TrainConfig
from vocab.plan import plan_vocabulary

# By name: this process need not import Beam.
_RUN_STAGE = "pipelines.run:run_stage"
_LAST_TRAINING_SECONDS = 30.0
_LINES_KEPT = 200

_MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "results.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def make_sentences(run: Run, say: Say) -> str:
    """Split the corpora into sentences; returns the stage's content hash.

    language = "train" makes the stage `punkt/` first.
    """
    config, paths = run.config, run.paths
    corpora = Corpora(configs=config.corpus, base=str(run.base), output=str(paths.output))
    if config.sentences.language == TRAIN:
        _make(plan_punkt(paths.punkt, corpora), config.runner, say)
    plan = plan_sentences(
        paths.sentences, corpora, config.sentences, config.seed, paths.punkt, config.cleaning
    )
    return _make(plan, run.config.runner, say)


def make_vocabulary(run: Run, say: Say) -> str:
    """Count words and train the vocabulary, or copy the given one; returns its content hash.

    Raises ConfigError if the model to start from tokenizes differently, before examples are made.
    """
    _check_init_from(run.config)
    plan = plan_vocabulary(run.paths.vocab, run.paths.sentences, run.config.vocab)
    return _make(plan, run.config.runner, say)


def make_examples(run: Run, say: Say) -> str:
    """Write the MLM/NSP examples; returns the stage's content hash."""
    paths, config = run.paths, run.config
    plan = plan_examples(paths.examples, paths.sentences, paths.vocab, config.examples, config.seed)
    return _make(plan, config.runner, say)


def train_model(run: Run, say: Say) -> Table:
    """Train, evaluate and export; returns the results. A killed training is continued."""
    paths, began = run.paths, time.monotonic()
    plan = _plan_training(run)
    if prepare_stage(plan) is StageState.COMPLETE:
        manifest = read_manifest(paths.model)
        say(_finished(plan, manifest))
        return dict(manifest.counts)
    steps = _steps(run.config.train)
    say(StageStarted(stage=plan.stage, steps=steps))
    arguments = [
        f"--examples={paths.examples}",
        f"--vocab={paths.vocab}",
        f"--output={paths.model}",
        f"--seed={run.config.seed}",
        *train_arguments(run.config.train),
    ]
    log = _log_path(paths.output, "train")
    with hold(paths.model, patience=_LAST_TRAINING_SECONDS):
        pass  # wait: a training whose run was killed may be about to end
    listener = _Listener(say, steps)
    status = run_child(
        "trainer.pretrain", arguments, log, listener.take_output, listener.take_error
    )
    listener.say_notices()
    if status:
        raise _training_error(status, listener.errors, log)
    log.unlink(missing_ok=True)
    results: Table = json.loads(read_bytes(paths.model / "results.json"))
    shards = [describe_file(paths.model / name, rows=1) for name in _MODEL_FILES]
    manifest = plan.make_manifest(results, shards)
    write_manifest(paths.model, manifest)
    say(_finished(plan, manifest, began))
    return results


def _plan_training(run: Run) -> StagePlan:
    """The plan of the model's stage. Raises DataError if the examples are not complete."""
    if not is_complete(run.paths.examples):
        raise DataError(
            f"{run.paths.examples} is missing or not complete; "
            f"first: bertdata examples CONFIG.toml --output {run.paths.output}"
        )
    examples = read_manifest(run.paths.examples)
    return StagePlan(
        stage="model",
        folder=run.paths.model,
        config={"seed": run.config.seed, "train": to_table(run.config.train)},
        inputs={"examples": {"content_sha256": examples.content_sha256}},
    )


def train_arguments(config: TrainConfig) -> list[str]:
    """A training configuration as the trainer's flags."""
    return [f"--{key}={value}" for key, value in to_table(config).items()]


def _steps(config: TrainConfig) -> int:
    """The number of steps of a training; 0 if it ends otherwise."""
    budget = config.length.budget
    return int(budget.total) if budget.unit == "steps" else 0


def _make(plan: StagePlan, runner: RunnerConfig, say: Say) -> str:
    # A flow that Prefect itself starts does not have the command's lock.
    with hold(plan.folder):
        return _make_alone(plan, runner, say)


def _make_alone(plan: StagePlan, runner: RunnerConfig, say: Say) -> str:
    began = time.monotonic()
    for notice in plan.notices:
        say(Note(text=f"{plan.stage}: {notice}"))
    if prepare_stage(plan) is StageState.COMPLETE:
        manifest = read_manifest(plan.folder)
        say(_finished(plan, manifest))
        return manifest.content_sha256
    say(StageStarted(stage=plan.stage, text_bytes=plan.text_bytes))
    write_plan(plan)
    _run(plan, runner.for_text(plan.text_bytes), _log_path(plan.folder.parent, plan.stage), say)
    manifest = read_manifest(plan.folder)
    if rejected := manifest.counts.get("rejected"):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejected.items())
        where = f"they are listed in {plan.folder}/rejected-*.arrow"
        say(Note(text=f"{plan.stage}: rejected {reasons}; {where}"))
    if repeated := manifest.counts.get("repeated_ids"):
        say(Note(text=f"{plan.stage}: {repeated_ids(repeated)}"))
    say(_finished(plan, manifest, began))
    return manifest.content_sha256


def _finished(plan: StagePlan, manifest: Manifest, began: float | None = None) -> StageFinished:
    """What is said of a stage that is complete. `began`: when this run began with it, if it did."""
    return StageFinished(
        stage=plan.stage,
        folder=str(plan.folder),
        made=describe_made(manifest),
        seconds=0.0 if began is None else time.monotonic() - began,
        was_complete=began is None,
        content_sha256=manifest.content_sha256,
        counts=_without_lists(manifest.counts),
    )


def _without_lists(counts: Mapping[str, object]) -> dict[str, object]:
    """Counts without the long lists of lengths and partitions."""
    return {
        key: _without_lists(value) if isinstance(value, Mapping) else value
        for key, value in counts.items()
        if not isinstance(value, list)
    }


def _run(plan: StagePlan, runner: RunnerConfig, log: Path, say: Say) -> None:
    """Run the pipeline of a stage in a process of its own. The log stays only after a crash."""
    name = f"the {plan.stage} job"
    idle_minutes = runner.idle_timeout_minutes if runner.is_on_this_machine else 0.0
    patience = Patience(silent=runner.stall_timeout_minutes * 60, idle=idle_minutes * 60)
    try:
        run_job(_RUN_STAGE, (plan, runner), log, say, patience, name)
    except JobDiedError as error:
        raise crash(name, error.status, log) from error
    except CrashError:
        raise
    except BertdataError:
        _pass_notices_on(log, say)
        log.unlink(missing_ok=True)  # the error says the same
        raise
    _pass_notices_on(log, say)
    log.unlink(missing_ok=True)


def _log_path(output: Location, stage: str) -> Path:
    """The log of a stage: in the run's folder, or a temporary file if that is elsewhere."""
    if isinstance(output, Path):
        return output / f"{stage}.log"
    handle, name = tempfile.mkstemp(prefix=f"bertdata-{stage}-", suffix=".log")
    os.close(handle)
    return Path(name)


def _check_init_from(config: RunConfig) -> None:
    folder = Path(config.train.model.init_from or "")
    if config.train.model.init_from and has_tokenizer(folder):
        check_tokenization(
            config.vocab.tokenization, folder, read_vocabulary(folder), what="[vocab]"
        )


class _Listener:
    """Keeps the last lines of a child's stderr, and passes its notices on between stdout's lines.

    `take_error` may be called in a different thread than `take_output`; only the latter passes
    lines on. `errors`: the last lines of stderr. `steps`: as in StageStarted.
    """

    def __init__(self, say: Say, steps: int = 0) -> None:
        self._say = say
        self._steps = steps
        self._notices: deque[str] = deque()
        self.errors: deque[str] = deque(maxlen=_LINES_KEPT)

    def take_error(self, line: str) -> None:
        """Keep a line of stderr."""
        self.errors.append(line)
        if is_notice(line):
            self._notices.append(line)

    def take_output(self, line: str) -> None:
        """Pass a line of stdout on, after the notices before it."""
        self.say_notices()
        self._say(read_trainer_line(line, self._steps))

    def say_notices(self) -> None:
        """Pass on the notices so far."""
        while self._notices:
            self._say(Note(text=self._notices.popleft()))


def _pass_notices_on(log: Path, say: Say) -> None:
    """Pass on the notices in a log, which is kept only if the stage failed."""
    if log.is_file():
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if is_notice(line):
                say(Note(text=line))


def _training_error(status: int, lines: Iterable[str], log: Path) -> Exception:
    """The trainer's own last error, or a CrashError if it printed none; torchrun may add lines."""
    errors = [line for line in lines if line.startswith("error: ")]
    if not errors:
        return crash("training", status, log, lines)
    log.unlink(missing_ok=True)
    kind = ConfigError if status == 2 else BertdataError
    return kind(errors[-1].removeprefix("error: "))
