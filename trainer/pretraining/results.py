"""The end of a run: the model is evaluated, exported, and compared with the yardstick."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from bertdata.arrays import Float64Array
from bertdata.config import Table
from bertdata.errors import BertdataError
from trainer.models.bert import strip_vocabulary
from trainer.models.export import export_model
from trainer.pretraining.batches import validation_rows
from trainer.pretraining.checkpoint.state import find_not_finite
from trainer.pretraining.measures.evaluation import Evaluation
from trainer.pretraining.measures.yardstick import Yardstick, measure_yardstick
from trainer.pretraining.run import Run, validate


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What a finished run reached on the validation split; losses in nats.

    `unigram_loss`: of the frequencies of pieces in the training split, on the same pieces
    (`trainer.pretraining.measures.yardstick`); `below_unigram`: how far `mlm_loss` is below it.
    Each has its standard error; `is_reliable`: whether there are enough validation pieces for the
    difference to mean something. `steps`, `tokens` (padding not counted): trained on;
    `exported_step`: the step whose parameters were exported and evaluated, which is the last one
    unless the run could stop early. None: there is no validation split, or too little of it for an
    error, or there are no pairs.
    """

    mlm_loss: float | None
    mlm_loss_error: float | None
    unigram_loss: float | None
    unigram_loss_error: float | None
    below_unigram: float | None
    below_unigram_error: float | None
    is_reliable: bool
    validation_pieces: int
    validation_documents: int
    mlm_accuracy: float | None
    nsp_accuracy: float | None
    steps: int
    exported_step: int
    tokens: int
    parameters: int


def finish(run: Run) -> Results:
    """Evaluate and export the last parameters, or the best ones if the run may stop early.

    Raises BertdataError, and exports nothing, if they or their losses are not finite.
    """
    evaluation = validate(run)
    exported_step = run.progress.steps
    if _is_worse_than_best(run, evaluation):
        assert run.best is not None
        run.model.load_state_dict(run.best)
        exported_step = run.progress.best_step
        evaluation = validate(run)
    _check_finite(run, evaluation, exported_step)
    losses_R = _all_row_losses(run, evaluation)
    if run.ranks.is_first:
        export_model(run.model, run.output, vocab=run.vocab)
    return _to_results(run, evaluation, exported_step, losses_R)


def _is_worse_than_best(run: Run, evaluation: Evaluation) -> bool:
    """Whether an earlier evaluation was better than the one after the last step."""
    best, loss = run.progress.best_loss, evaluation.mlm_loss
    if run.best is None or best is None or run.progress.best_step == run.progress.steps:
        return False
    return loss is None or not loss < best  # true also of a loss that is not finite


def _check_finite(run: Run, evaluation: Evaluation, step: int) -> None:
    found = find_not_finite(run.model.state_dict())
    losses = {"mlm": evaluation.mlm_loss, "nsp": evaluation.nsp_loss}
    for name, loss in losses.items():
        if loss is not None and not math.isfinite(loss):
            found = found or f"the validation {name} loss"
    if found:
        raise BertdataError(
            f"{found} is not finite after step {step}; lower learning_rate, and choose another "
            f"--output or delete {run.output}"
        )


def _all_row_losses(run: Run, evaluation: Evaluation) -> Float64Array:
    """Return the MLM loss of each row of the validation split, from all ranks."""
    reader, ranks = run.readers.validation, run.ranks
    losses_R = torch.zeros(reader.num_rows, dtype=torch.float64)
    batch_size = run.config.batches.batch_size
    rows = validation_rows(reader, batch_size, rank=ranks.rank, num_ranks=ranks.size)
    if rows:
        losses_R[torch.from_numpy(np.concatenate(rows))] = torch.from_numpy(evaluation.row_losses)
    return np.asarray(ranks.sum_tensor(losses_R).numpy())


def _to_results(
    run: Run, evaluation: Evaluation, exported_step: int, losses_R: Float64Array
) -> Results:
    readers = run.readers
    found = measure_yardstick(readers.phases[0], readers.validation, losses_R, seed=run.seed)
    return Results(
        mlm_loss=evaluation.mlm_loss,
        **_describe_yardstick(found),
        mlm_accuracy=evaluation.mlm_accuracy,
        nsp_accuracy=evaluation.nsp_accuracy,
        steps=run.progress.steps,
        exported_step=exported_step,
        tokens=run.progress.tokens,
        parameters=sum(value.numel() for value in strip_vocabulary(run.model).values()),
    )


def _describe_yardstick(found: Yardstick | None) -> Table:
    """Return the fields of `Results` that compare the model with the unigram model."""
    return {
        "mlm_loss_error": found and found.mlm_loss.error,
        "unigram_loss": found and found.unigram_loss.value,
        "unigram_loss_error": found and found.unigram_loss.error,
        "below_unigram": found and found.below.value,
        "below_unigram_error": found and found.below.error,
        "is_reliable": found is not None and found.is_reliable,
        "validation_pieces": found.num_pieces if found else 0,
        "validation_documents": found.num_documents if found else 0,
    }
