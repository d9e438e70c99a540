"""The training loop, from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from bertdata.errors import BertdataError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.writing import write_json
from trainer.batch import Counts
from trainer.device import HostCopy
from trainer.optim.optimizers import clip_gradients
from trainer.optim.schedule import make_schedule
from trainer.pretraining.batches import StepRows
from trainer.pretraining.checkpoint.progress import Progress
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures.evaluation import Evaluation
from trainer.pretraining.measures.flops import peak_flops, step_flops
from trainer.pretraining.measures.metrics import Log
from trainer.pretraining.phase import Phase, is_phase_over, open_phase
from trainer.pretraining.run import Run, validate

_SKIPPED_AT_END = 2  # steps, from which on a run that ends with them has failed


def train(run: Run, should_stop: Callable[[], bool]) -> bool:
    """Train until the run is done or `should_stop`, and save; return whether it is done.

    `should_stop` is called between steps. Raises BertdataError if too many steps in a row are not
    finite, or the last ones of the run.
    """
    config, progress, ranks = run.config, run.progress, run.ranks
    schedule = make_schedule(
        config.optimizer, run.budget.total, in_steps=run.budget.unit == "steps"
    )
    log = _open_log(run)
    phase: Phase | None = None
    try:
        while not (is_done := _is_done(run)) and not _is_asked_to_stop(run, should_stop):
            if phase is None or is_phase_over(run):
                phase = _enter_phase(run, phase)
            started = time.perf_counter()

            # Load this rank's micro-batches. The losses are means over the counts of all ranks.
            loaded = phase.loader.next_step()
            wait_seconds = time.perf_counter() - started
            counts = Counts.summed([batch.counts for _, batch in loaded.batches])
            counts = Counts.from_list(ranks.sum(counts.as_list()))

            # Accumulate the gradients of all micro-batches and ranks.
            sums = phase.gradients.accumulate(progress.steps, loaded.batches, counts)
            ranks.sum_gradients(run.model)

            # Clip.
            norm = clip_gradients(run.model, config.optimizer.max_grad_norm)

            # Step. The copy to the host goes on meanwhile; a checkpoint that is being written must
            # have copied the parameters before they change.
            numbers = torch.cat([ranks.sum_tensor(sums), norm[None]])
            numbers_on_host = HostCopy(numbers)
            run.writer.wait_until_copied()
            factor = schedule.factor(run.used, _used_after(run, counts))
            rate = run.optimizers.step(factor, numbers.isfinite().all())
            result = StepResult.of(
                numbers_on_host.wait(),
                counts,
                rate=rate,
                next_sentence=phase.reader.next_sentence,
            )
            seconds = time.perf_counter() - started

            # Log.
            _count_step(run, result, loaded.rows, seconds)
            flops = step_flops(run.model.config, counts)
            log.add(result, seconds=seconds, wait_seconds=wait_seconds, flops=flops)
            _check_skipped(run, result, loaded.rows, phase.reader)
            if _is_due(progress.steps, config.reports.log_every):
                log.report(progress, share_done=run.used / run.budget.total)

            # Evaluate.
            if _is_due(progress.steps, config.reports.evaluate_every):
                evaluation = validate(run)
                _keep_best(run, evaluation)
                log.report_evaluation(progress.steps, evaluation)

            # Save.
            if _is_due(progress.steps, config.reports.checkpoint_every):
                log.flush()
                run.save()
        if is_done and log.has_news:
            log.report(progress, share_done=run.used / run.budget.total)
        log.flush()
        if is_done:
            _check_last_steps(run)
        run.save()
        return is_done
    finally:
        if phase is not None:
            phase.loader.close()
        run.writer.finish()
        log.flush()


def _open_log(run: Run) -> Log:
    peak = peak_flops(run.ranks.device, run.config.machine.peak_tflops)
    return Log(
        run.output if run.ranks.is_first else None,
        run.progress,
        share_done=run.used / run.budget.total,
        device=run.ranks.device,
        peak_flops=None if peak is None else peak * run.ranks.size,
    )


def _is_done(run: Run) -> bool:
    """Whether the budget is used up, or the evaluations no longer get better."""
    patience = run.config.length.early_stop_evaluations
    if patience and run.progress.evaluations_since_best >= patience:
        return True
    return run.used >= run.budget.total


def _is_asked_to_stop(run: Run, should_stop: Callable[[], bool]) -> bool:
    """Whether any rank is asked to stop. From here on all ranks have the first one's clock."""
    seconds = run.progress.seconds if run.ranks.is_first else 0.0
    asked, run.progress.seconds = run.ranks.sum([should_stop(), seconds])
    return asked > 0


def _enter_phase(run: Run, before: Phase | None) -> Phase:
    """Open the phase of a run that starts, or phase 2."""
    if is_phase_over(run):
        run.progress.phase, run.progress.position = 2, 0
    if before is not None:
        before.loader.close()
    return open_phase(run)


def _used_after(run: Run, counts: Counts) -> float:
    """Return what is used of the budget after a step over `counts`.

    A step's seconds are not known before it: the mean of the steps so far.
    """
    match run.budget.unit:
        case "seconds":
            return run.used + run.progress.seconds / max(1, run.progress.steps)
        case "steps":
            return run.used + 1
        case "tokens":
            return run.used + counts.tokens


def _count_step(run: Run, result: StepResult, rows: StepRows, seconds: float) -> None:
    progress = run.progress
    progress.steps += 1
    progress.tokens += result.counts.tokens
    progress.position = rows.next_position
    progress.seconds += seconds
    progress.skipped += not result.is_finite
    progress.skipped_in_row = 0 if result.is_finite else progress.skipped_in_row + 1


def _check_skipped(run: Run, result: StepResult, rows: StepRows, reader: ExampleReader) -> None:
    """Raise BertdataError after too many steps in a row without an update."""
    progress = run.progress
    if progress.skipped_in_row < run.config.optimizer.max_skipped_steps:
        return
    path = run.output / f"not-finite-step-{progress.steps:08d}.json"
    if run.ranks.is_first:
        write_json(path, _describe_rows(rows, reader))
    raise BertdataError(
        f"the loss is {result.loss} and the gradient norm {result.gradient_norm} at step "
        f"{progress.steps}, not finite {progress.skipped_in_row} steps in a row, from step "
        f"{_first_skipped(progress)} on; lower learning_rate, or look at the examples listed in "
        f"{path}"
    )


def _check_last_steps(run: Run) -> None:
    """Raise BertdataError if the run ends with skipped steps.

    The last step alone may be one bad batch; more than that say that the run has diverged.
    """
    progress = run.progress
    if progress.skipped_in_row >= min(_SKIPPED_AT_END, progress.steps):
        raise BertdataError(
            f"the loss or the gradient norm is not finite from step {_first_skipped(progress)} to "
            f"the last, {progress.steps}; lower learning_rate, and choose another --output or "
            f"delete {run.output}"
        )


def _first_skipped(progress: Progress) -> int:
    """Return the first of the steps in a row that were skipped last."""
    return progress.steps - progress.skipped_in_row + 1


def _describe_rows(rows: StepRows, reader: ExampleReader) -> dict[str, object]:
    """Return the examples of a step: their rows in the split, and their documents."""
    numbers = np.concatenate(rows.rows)
    return {"rows": numbers.tolist(), "document_ids": reader.document_ids_of(numbers)}


def _keep_best(run: Run, evaluation: Evaluation) -> None:
    """Keep count of the best loss so far; of equal losses, the first counts as the best."""
    progress, loss = run.progress, evaluation.mlm_loss
    best = math.inf if progress.best_loss is None else progress.best_loss
    if loss is None or not loss < best:  # nor is a loss that is not a number
        progress.evaluations_since_best += 1
        return
    progress.best_loss, progress.best_step = loss, progress.steps
    progress.evaluations_since_best = 0
    if run.config.length.early_stop_evaluations:
        state = run.model.state_dict()
        run.best = {name: value.detach().cpu().clone() for name, value in state.items()}


def _is_due(step: int, every: int) -> bool:
    """Whether `step` is one of every `every`; 0: none is."""
    return every > 0 and step % every == 0
