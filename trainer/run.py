"""One training run in its output folder: what it starts from, its steps, what it leaves."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bertdata.config import to_table
from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.reader import ExampleReader
from bertdata.shards import write_json
from bertdata.vocabulary import Vocabulary, read_vocabulary
from trainer import checkpoint
from trainer.attention import choose_kernel
from trainer.checkpoint import CheckpointWriter, Progress
from trainer.config import TrainConfig
from trainer.data import (
    Batches,
    Counts,
    PackedBatches,
    PaddedBatches,
    StepRows,
    to_device,
    validation_batches,
)
from trainer.entropy import count_masked_pieces, unigram_entropy
from trainer.export import export_model
from trainer.flops import peak_flops, step_flops
from trainer.loader import Loader
from trainer.loop import Evaluation, StepPlan, StepResult, TrainStep, compute_dtype, evaluate
from trainer.losses import Candidates, DecoderLoss, whole_decoder_loss
from trainer.metrics import Log
from trainer.model import pad_vocabulary, strip_vocabulary
from trainer.optim import Optimizers
from trainer.ranks import Ranks
from trainer.schedule import Budget, rate_factor
from trainer.start import check_lengths, new_model

RUN_NAME = "run.json"
ATTENTION_NAME = "attention.json"
_GPU_VOCABULARY_MULTIPLE = 64
# What may change between a run and its continuation: it does not shape the model.
_FREE_FIELDS = (
    "log_every",
    "evaluate_every",
    "checkpoint_every",
    "keep_checkpoints",
    "loader_workers",
    "max_skipped_steps",
    "peak_tflops",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What a finished run reached on the validation split; losses and entropy in nats.

    `unigram_entropy`: of the pieces to predict in the validation split. `tokens`: trained on,
    padding not counted. None: there is no validation split, or there are no pairs.
    """

    mlm_loss: float | None
    unigram_entropy: float | None
    mlm_accuracy: float | None
    nsp_accuracy: float | None
    steps: int
    tokens: int
    parameters: int


class Run:
    """One training run, as one of its ranks sees it."""

    def __init__(
        self,
        examples: Path,
        vocab: Path,
        output: Path,
        *,
        config: TrainConfig,
        seed: int,
        ranks: Ranks,
    ) -> None:
        self.config, self.seed, self.ranks = config, seed, ranks
        self.output, self.vocab = output, vocab
        self.readers = _open_readers(examples, read_vocabulary(vocab / "vocab.txt"), config, ranks)
        model = new_model(config, seed, self.readers.phases[0])
        for reader in (*self.readers.phases, self.readers.validation):
            check_lengths(model, reader)
        on_gpu = ranks.device.type == "cuda"
        default_multiple = _GPU_VOCABULARY_MULTIPLE if on_gpu else 1
        pad_vocabulary(model, config.vocabulary_multiple or default_multiple)
        self.model = model.to(ranks.device)
        self.optimizers = Optimizers(self.model, config)
        self.progress = Progress()
        self.budget = Budget.of(config)
        keep = config.keep_checkpoints
        self._writer = CheckpointWriter(self.checkpoints, self.model, self.optimizers, keep=keep)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.output / checkpoint.FOLDER_NAME

    def prepare(self, *, resume: bool) -> None:
        """Take the newest checkpoint of the same run, or drop what an earlier run left."""
        if self.ranks.is_first:
            if not resume:
                shutil.rmtree(self.checkpoints, ignore_errors=True)
                for name in (RUN_NAME, ATTENTION_NAME):
                    (self.output / name).unlink(missing_ok=True)
            description = self._describe()
            _check_same_run(self.output / RUN_NAME, description)
            write_json(self.output / RUN_NAME, description)
        self.ranks.from_first(None)  # the others wait until the folder is as it should be
        if newest := checkpoint.newest_checkpoint(self.checkpoints):
            self.progress = checkpoint.load_checkpoint(newest, self.model, self.optimizers)

    def train(self, should_stop: Callable[[], bool]) -> bool:
        """Do the steps that are left, or fewer when asked to stop; ends with a checkpoint.

        Gives whether the run is done.
        """
        steps = _Steps(self, self._log())
        first = self.progress.steps
        try:
            while not (is_done := self._is_done()) and not self._is_asked_to_stop(should_stop):
                steps.do_next()
                if self.progress.steps == first + 1 and self._will_save():
                    self._writer.make_room()
                if _is_due(self.progress.steps, self.config.checkpoint_every):
                    self.save()
            steps.end(is_done=is_done)
            self.save()
            return is_done
        finally:
            steps.close()
            self._writer.finish()

    def used(self) -> float:
        """What is used of the budget."""
        amount: float = getattr(self.progress, self.budget.unit)
        return amount

    def evaluate(self) -> Evaluation:
        """The model on the whole validation split."""
        batches = validation_batches(
            self.readers.validation,
            self.config.batch_size,
            self.seed,
            rank=self.ranks.rank,
            num_ranks=self.ranks.size,
        )
        pairs = self.readers.phases[0].next_sentence
        return evaluate(self.model, batches, next_sentence=pairs, ranks=self.ranks)

    def save(self) -> None:
        """Begin to write a checkpoint of what is done so far."""
        if self.ranks.is_first:
            self._writer.start(self.progress)

    def _will_save(self) -> bool:
        return self.ranks.is_first and self.config.checkpoint_every > 0

    def wait_until_copied(self) -> None:
        """Wait until a checkpoint under way no longer needs the parameters."""
        self._writer.wait_until_copied()

    def finish(self) -> Results:
        """Evaluate and export."""
        evaluation = self.evaluate()
        counts = count_masked_pieces(self.readers.validation, seed=self.seed)
        if self.ranks.is_first:
            export_model(self.model, self.output, vocab=self.vocab)
        return Results(
            mlm_loss=evaluation.mlm_loss,
            unigram_entropy=unigram_entropy(counts) if counts.any() else None,
            mlm_accuracy=evaluation.mlm_accuracy,
            nsp_accuracy=evaluation.nsp_accuracy,
            steps=self.progress.steps,
            tokens=self.progress.tokens,
            parameters=sum(value.numel() for value in strip_vocabulary(self.model).values()),
        )

    def _is_done(self) -> bool:
        """Whether the budget is used up, or the evaluations stopped getting better."""
        patience = self.config.early_stop_evaluations
        if patience and self.progress.evaluations_since_best >= patience:
            return True
        return self.used() >= self.budget.total

    def _is_asked_to_stop(self, should_stop: Callable[[], bool]) -> bool:
        """Whether any rank is; from here on all ranks have the first one's clock."""
        seconds = self.progress.seconds if self.ranks.is_first else 0.0
        asked, self.progress.seconds = self.ranks.sum([should_stop(), seconds])
        return asked > 0

    def _log(self) -> Log | None:
        if not self.ranks.is_first:
            return None
        peak = peak_flops(self.ranks.device, self.config.peak_tflops)
        return Log(
            self.output,
            steps_done=self.progress.steps,
            device=self.ranks.device,
            peak_flops=None if peak is None else peak * self.ranks.size,
        )

    def _describe(self) -> dict[str, Any]:
        """All that shapes the model, to be compared when a run goes on."""
        table = {k: v for k, v in to_table(self.config).items() if k not in _FREE_FIELDS}
        first, *later = self.readers.phases
        return {
            **table,
            "seed": self.seed,
            "examples": first.manifest.content_sha256,
            "vocabulary": first.vocabulary.fingerprint,
            **({"phase2_examples": later[0].manifest.content_sha256} if later else {}),
        }


class _Steps:
    """The steps of one run from where it is; `log`: None where another rank speaks."""

    def __init__(self, run: Run, log: Log | None) -> None:
        self._run = run
        self._log = log
        self._first = (run.used(), run.progress.seconds)
        self._loader: Loader | None = None
        self._train_step: TrainStep | None = None

    def do_next(self) -> None:
        """One step, and an evaluation where one is due."""
        run, progress = self._run, self._run.progress
        if self._enter_phase() or self._loader is None or self._train_step is None:
            self._loader, self._train_step = self._make_phase()
        started = time.perf_counter()
        loaded = self._loader.next_step()
        wait_seconds = time.perf_counter() - started
        counts = Counts.summed([batch.counts for _, batch in loaded.batches])
        counts = Counts.from_list(run.ranks.sum(counts.as_list()))
        factor = rate_factor(run.used(), self._used_after(counts), run.budget.total, run.config)
        result = self._train_step(
            progress.steps, loaded.batches, counts, factor, run.wait_until_copied
        )
        self._note(result, loaded.rows, time.perf_counter() - started, wait_seconds)
        if _is_due(progress.steps, run.config.evaluate_every):
            self._evaluate()

    def end(self, *, is_done: bool) -> None:
        """Say what was not said yet when the run is done."""
        if is_done and self._log is not None and self._log.has_news:
            self._say()

    def close(self) -> None:
        """End the threads that read ahead."""
        if self._loader is not None:
            self._loader.close()

    def _enter_phase(self) -> bool:
        """Go on to phase 2 when it is time; gives whether it was."""
        run, progress = self._run, self._run.progress
        if progress.phase == len(run.readers.phases):
            return False
        if run.used() < (1 - run.config.phase2_fraction) * run.budget.total:
            return False
        self.close()
        progress.phase, progress.position = 2, 0
        return True

    def _make_phase(self) -> tuple[Loader, TrainStep]:
        run, config = self._run, self._run.config
        reader = run.readers.phases[run.progress.phase - 1]
        batches = _make_batches(reader, run)
        loader = Loader(
            batches, run.progress.position, ranks=run.ranks, workers=config.loader_workers
        )
        train_step = TrainStep(
            run.model,
            run.optimizers,
            config,
            seed=run.seed,
            next_sentence=reader.next_sentence,
            plan=_plan_step(run, reader, batches),
            ranks=run.ranks,
        )
        return loader, train_step

    def _used_after(self, counts: Counts) -> float:
        """What will be used of the budget after a step over `counts`; minutes: as the last one."""
        run = self._run
        unit = run.budget.unit
        if unit == "seconds":
            return run.used() + run.progress.seconds / max(1, run.progress.steps)
        return run.used() + (1 if unit == "steps" else counts.tokens)

    def _note(self, result: StepResult, rows: StepRows, seconds: float, waited: float) -> None:
        run, progress = self._run, self._run.progress
        progress.steps += 1
        progress.tokens += result.counts.tokens
        progress.position = rows.next_position
        progress.seconds += seconds
        if self._log is not None:
            flops = step_flops(run.model.config, result.counts)
            self._log.add(result, seconds=seconds, wait_seconds=waited, flops=flops)
        self._note_skipped(result, rows)
        if self._log is not None and _is_due(progress.steps, run.config.log_every):
            self._say()

    def _note_skipped(self, result: StepResult, rows: StepRows) -> None:
        """Count a step without an update; raises BertdataError after too many in a row."""
        run, progress = self._run, self._run.progress
        if result.is_finite:
            progress.skipped_in_row = 0
            return
        progress.skipped += 1
        progress.skipped_in_row += 1
        if progress.skipped_in_row >= run.config.max_skipped_steps:
            path = run.output / f"not-finite-step-{progress.steps:08d}.json"
            if run.ranks.is_first:
                reader = run.readers.phases[progress.phase - 1]
                write_json(path, _describe_rows(rows, reader))
            raise BertdataError(
                f"the loss is {result.loss} and the gradient norm {result.gradient_norm} at step "
                f"{progress.steps}, not finite {progress.skipped_in_row} steps in a row; "
                f"lower learning_rate, or look at the examples listed in {path}"
            )

    def _evaluate(self) -> None:
        progress = self._run.progress
        evaluation = self._run.evaluate()
        loss = evaluation.mlm_loss
        if loss is not None and (progress.best_loss is None or loss < progress.best_loss):
            progress.best_loss, progress.evaluations_since_best = loss, 0
        else:
            progress.evaluations_since_best += 1
        if self._log is not None:
            self._log.add_evaluation(progress.steps, evaluation)

    def _say(self) -> None:
        assert self._log is not None
        progress, total = self._run.progress, self._run.budget.total
        used_before, seconds_before = self._first
        used = self._run.used()
        pace = (progress.seconds - seconds_before) / max(1e-9, used - used_before)
        self._log.say(
            progress.steps,
            tokens=progress.tokens,
            skipped=progress.skipped,
            seconds_left=max(0.0, total - used) * pace,
        )


@dataclass(frozen=True, slots=True)
class _Readers:
    """The examples of phase 1 and, where there is one, 2; and those to validate with."""

    phases: Sequence[ExampleReader]
    validation: ExampleReader


def _open_readers(
    examples: Path, vocabulary: Vocabulary, config: TrainConfig, ranks: Ranks
) -> _Readers:
    """Only the first rank reads every byte to compare checksums."""
    verify = ranks.is_first
    folders = [examples, *([Path(config.phase2_examples)] if config.phase2_examples else [])]
    phases = [ExampleReader(f, vocabulary, verify_checksums=verify) for f in folders]
    validation = ExampleReader(examples, vocabulary, split="validation", verify_checksums=verify)
    return _Readers(phases, validation)


def _make_batches(reader: ExampleReader, run: Run) -> Batches:
    config, parts = run.config, run.config.accumulate * run.ranks.size
    if config.batch_tokens:
        return PackedBatches(reader, batch_tokens=config.batch_tokens, seed=run.seed, parts=parts)
    batch_size = config.batch_size
    if run.progress.phase == 2 and config.phase2_batch_size is not None:
        batch_size = config.phase2_batch_size
    return PaddedBatches(
        reader,
        batch_size=batch_size,
        seed=run.seed,
        window=config.group_by_length,
        parts=parts,
    )


def _plan_step(run: Run, reader: ExampleReader, batches: Batches) -> StepPlan:
    config, on_gpu = run.config, run.ranks.device.type == "cuda"
    if isinstance(batches, PackedBatches):
        is_compiled = config.compile == "on" or (config.compile == "auto" and on_gpu)
        kernel = _choose_attention(run, batches)
        return StepPlan(decoder_loss=whole_decoder_loss, kernel=kernel, is_compiled=is_compiled)
    if config.compile == "on":
        raise ConfigError("compile = 'on' needs the fixed shapes of batch_tokens")
    if not config.output_candidates:
        return StepPlan(decoder_loss=DecoderLoss())
    counts_V = torch.from_numpy(count_masked_pieces(reader, seed=run.seed))
    return StepPlan(decoder_loss=DecoderLoss(Candidates(counts_V, config.output_candidates)))


def _choose_attention(run: Run, batches: PackedBatches) -> str:
    """The kernel of this phase: as configured, as an earlier part of the run chose, or measured."""
    if run.config.attention != "auto":
        return run.config.attention
    if run.ranks.device.type != "cuda":
        return "plain"
    chosen: str = run.ranks.from_first(
        _measure_attention(run, batches) if run.ranks.is_first else None
    )
    return chosen


def _measure_attention(run: Run, batches: PackedBatches) -> str:
    path, phase = run.output / ATTENTION_NAME, str(run.progress.phase)
    table: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    if phase not in table:
        shape = run.model.config
        batch = to_device(batches.read(batches.rows_at(0), 0), run.ranks.device)
        kernel, milliseconds = choose_kernel(
            batch.sequences,
            num_heads=shape.num_heads,
            width=shape.hidden_size,
            dtype=compute_dtype(run.config.precision, run.ranks.device),
            dropout=shape.attention_dropout_or_dropout,
        )
        table[phase] = {"kernel": kernel, "milliseconds": milliseconds}
        write_json(path, table)
        shown = "  ".join(f"{name} {value:.2f} ms" for name, value in milliseconds.items())
        print(f"attention: {kernel}, the fastest of  {shown}", flush=True)
    return str(table[phase]["kernel"])


def _describe_rows(rows: StepRows, reader: ExampleReader) -> dict[str, Any]:
    """Which examples a step trained on: places in the split, and their documents."""
    numbers = np.concatenate(rows.rows)
    return {"rows": numbers.tolist(), "document_ids": reader.document_ids_of(numbers)}


def _check_same_run(path: Path, description: dict[str, Any]) -> None:
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is damaged; remove {path.parent} to start anew") from error
    for name in sorted(earlier.keys() | description.keys()):
        old, new = earlier.get(name), description.get(name)
        if old != new:
            raise ConfigError(
                f"{path.parent} holds a run with {name} = {old}, not {new}; "
                "choose another output folder, or --no-resume to start anew"
            )


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
