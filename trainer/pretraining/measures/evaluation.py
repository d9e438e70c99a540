"""Losses and accuracies of a model over a whole split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bertdata.arrays import Float64Array
from trainer.batch import PaddedBatch, to_device
from trainer.models.bert import Bert
from trainer.objectives import wanted_states
from trainer.ranks import Ranks

_EVALUATION_CHUNK = 256  # predicted pieces scored together


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Means over a whole split; losses in nats. None: the split is empty, or has no pairs.

    `row_losses`: the summed MLM loss of each row that this rank evaluated, in order.
    """

    mlm_loss: float | None
    mlm_accuracy: float | None
    nsp_loss: float | None
    nsp_accuracy: float | None
    num_masked: int
    num_sequences: int
    row_losses: Float64Array = field(repr=False, compare=False)

    def numbers(self) -> dict[str, float | None]:
        """Return the means and counts by name."""
        names = [found.name for found in fields(self) if found.name != "row_losses"]
        return {name: getattr(self, name) for name in names}


@torch.no_grad()
def evaluate(
    model: Bert, batches: Iterable[PaddedBatch], *, next_sentence: bool, ranks: Ranks
) -> Evaluation:
    """Evaluate over the batches of all ranks, in single precision and without dropout."""
    model.eval()
    sums = [0.0] * 6
    rows = [np.zeros(0)]
    for batch in batches:
        found, losses_B = _evaluate_batch(model, to_device(batch, ranks.device))
        sums = [total + value for total, value in zip(sums, found, strict=True)]
        rows.append(losses_B.cpu().numpy())
    mlm_loss, mlm_right, nsp_loss, nsp_right, num_masked, num_sequences = ranks.sum(sums)
    num_pairs = num_sequences if next_sentence else 0
    return Evaluation(
        mlm_loss=mlm_loss / num_masked if num_masked else None,
        mlm_accuracy=mlm_right / num_masked if num_masked else None,
        nsp_loss=nsp_loss / num_sequences if num_pairs else None,
        nsp_accuracy=nsp_right / num_sequences if num_pairs else None,
        num_masked=int(num_masked),
        num_sequences=int(num_sequences),
        row_losses=np.concatenate(rows),
    )


def _evaluate_batch(model: Bert, batch: PaddedBatch) -> tuple[tuple[float, ...], Tensor]:
    """Return six sums, and the MLM loss of each row, B.

    The sums are loss and right answers of pieces, the same of pairs, and both numbers of answers.
    """
    hidden_ND, first_BD = wanted_states(model, batch)
    scores = [
        _score(model.mlm_logits(hidden_CD), ids_C)
        for hidden_CD, ids_C in zip(
            hidden_ND.split(_EVALUATION_CHUNK), batch.masked_ids_N.split(_EVALUATION_CHUNK)
        )
    ]
    losses_B = _sum_by_row(torch.cat([losses_C for losses_C, _ in scores]), batch)
    mlm_loss, mlm_right = losses_B.sum().item(), sum(right for _, right in scores)
    nsp_losses_B, nsp_right = _score(model.nsp_logits(first_BD), batch.next_sentence_labels_B)
    nsp_loss, counts = nsp_losses_B.sum().item(), batch.counts
    sums = (mlm_loss, mlm_right, nsp_loss, nsp_right, counts.masked, counts.sequences)
    return sums, losses_B


def _sum_by_row(losses_N: Tensor, batch: PaddedBatch) -> Tensor:
    """Sum the losses of a batch's predicted pieces by row."""
    rows_N = batch.masked_places_N // batch.wanted_BQ.shape[1]
    losses_B = torch.zeros(len(batch.wanted_BQ), dtype=torch.float64, device=losses_N.device)
    return losses_B.index_add_(0, rows_N, losses_N.double())


def _score(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Return the loss of each answer, and how often no other is likelier than the label."""
    losses = functional.cross_entropy(logits, labels, reduction="none")
    # An eighth of the time that argmax takes.
    is_right = logits.gather(1, labels[:, None]) >= logits.amax(dim=1, keepdim=True)
    return losses, int(is_right.sum())
