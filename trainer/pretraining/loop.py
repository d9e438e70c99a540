"""The steps of a run: their batches, kernels and rate, what is noted, and when all is stopped."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bertdata.errors import BertdataError, ConfigError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.shards import write_json
from trainer.attention import choose_kernel
from trainer.batch import Counts, to_device
from trainer.decoder_loss import Candidates, DecoderLoss, whole_decoder_loss
from trainer.device import compute_dtype
from trainer.pretraining.batches import Batches, PackedBatches, PaddedBatches, StepRows
from trainer.pretraining.length import rate_factor
from trainer.pretraining.loader import Loader
from trainer.pretraining.measures.flops import step_flops
from trainer.pretraining.measures.metrics import Log
from trainer.pretraining.piece_counts import count_masked_pieces
from trainer.pretraining.step import StepPlan, StepResult, TrainStep

if TYPE_CHECKING:
    from trainer.pretraining.run import Run

ATTENTION_NAME = "attention.json"


class Steps:
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
        if is_due(progress.steps, run.config.evaluate_every):
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
        if self._log is not None and is_due(progress.steps, run.config.log_every):
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
        evaluation = self._run.evaluate()
        self._run.note_evaluation(evaluation)
        if self._log is not None:
            self._log.add_evaluation(self._run.progress.steps, evaluation)

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
        raise ConfigError(
            "compile = 'on' needs the fixed shapes of batch_tokens; set batch_tokens, "
            "or compile = 'auto'"
        )
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


def is_due(step: int, every: int) -> bool:
    """Whether `step` is one of every so many; 0: none is."""
    return every > 0 and step % every == 0
