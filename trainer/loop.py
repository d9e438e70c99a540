"""One step of training, one evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bertdata.randomness import derive_key
from trainer.config import TrainConfig
from trainer.data import Batch, Counts, PaddedBatch, to_device
from trainer.device import HostCopy, autocast, compute_dtype
from trainer.losses import Decoder, LossSums, pretraining_losses, wanted_states
from trainer.model import Bert
from trainer.optim import Optimizers, clip_gradients
from trainer.ranks import Ranks

_EVALUATION_CHUNK = 256  # predicted pieces scored at once


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a training step saw, over all its micro-batches and ranks.

    Losses and accuracies are means, in nats and shares; the norm is that before clipping. Where
    `is_finite` is False, nothing was updated.
    """

    loss: float
    mlm_loss: float
    nsp_loss: float
    mlm_accuracy: float
    nsp_accuracy: float
    gradient_norm: float
    learning_rate: float
    is_finite: bool
    counts: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Means over a whole split; losses in nats. None: an empty split, or no pairs.

    `row_losses`: the summed MLM loss of each row that this rank evaluated, in order.
    """

    mlm_loss: float | None
    mlm_accuracy: float | None
    nsp_loss: float | None
    nsp_accuracy: float | None
    num_masked: int
    num_sequences: int
    row_losses: npt.NDArray[np.float64] = field(repr=False, compare=False)

    def numbers(self) -> dict[str, Any]:
        """The means and counts by name."""
        names = [found.name for found in fields(self) if found.name != "row_losses"]
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPlan:
    """How the losses of a batch are computed: by which decoder and attention, compiled or not."""

    decoder_loss: Decoder
    kernel: str = "plain"
    is_compiled: bool = False


class TrainStep:
    """Trains a model by one step's micro-batches at a time."""

    def __init__(
        self,
        model: Bert,
        optimizers: Optimizers,
        config: TrainConfig,
        *,
        seed: int,
        next_sentence: bool,
        plan: StepPlan,
        ranks: Ranks,
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._config = config
        self._seed = seed
        self._next_sentence = next_sentence
        self._plan = plan
        self._ranks = ranks
        self._num_parts = config.accumulate * ranks.size
        self._dtype = compute_dtype(config.precision, ranks.device)
        self._losses = _compiled_losses() if plan.is_compiled else _losses

    def __call__(
        self,
        step: int,
        batches: Sequence[tuple[int, Batch]],
        counts: Counts,
        factor: float,
        before_update: Callable[[], None] = lambda: None,
    ) -> StepResult:
        """Do step `step` (from 0) at `factor` of the peak learning rate.

        `batches`: this rank's parts of the step, each with its number among all. `counts`: of the
        whole step. The random numbers (dropout) of a part follow from (seed, step, part).
        `before_update` is called when the gradients are there and parameters are about to change.
        """
        self._model.train()
        sums = torch.zeros(4, device=self._ranks.device)
        for part, batch in batches:
            key = derive_key(self._seed, "training step", step * self._num_parts + part)
            torch.manual_seed(key >> 1)
            sums += self._add_gradients(to_device(batch, self._ranks.device), counts)
        self._ranks.sum_gradients(self._model)
        norm = clip_gradients(self._model, self._config.max_grad_norm)
        numbers = torch.cat([self._ranks.sum_tensor(sums), norm[None]])
        numbers_on_host = HostCopy(numbers)
        before_update()
        rate = self._optimizers.step(factor, numbers.isfinite().all())
        *totals, gradient_norm = numbers_on_host.wait()
        return self._result(totals, counts, gradient_norm, rate)

    def _add_gradients(self, batch: Batch, counts: Counts) -> Tensor:
        """Those of one micro-batch; gives its four sums."""
        with autocast(self._ranks.device, self._dtype):
            mlm, nsp, mlm_right, nsp_right = self._losses(
                self._model, batch, self._plan.decoder_loss, self._plan.kernel
            )
        sums = LossSums(mlm=mlm, nsp=nsp, mlm_right=mlm_right, nsp_right=nsp_right)
        sums.total(counts, next_sentence=self._next_sentence).backward()
        return sums.stacked()

    def _result(
        self, totals: Sequence[float], counts: Counts, norm: float, rate: float
    ) -> StepResult:
        mlm, nsp, mlm_right, nsp_right = totals
        masked, sequences = max(1, counts.masked), max(1, counts.sequences)
        mlm_loss, nsp_loss = mlm / masked, nsp / sequences
        return StepResult(
            loss=mlm_loss + nsp_loss if self._next_sentence else mlm_loss,
            mlm_loss=mlm_loss,
            nsp_loss=nsp_loss,
            mlm_accuracy=mlm_right / masked,
            nsp_accuracy=nsp_right / sequences,
            gradient_norm=norm,
            learning_rate=rate,
            is_finite=all(math.isfinite(value) for value in (*totals, norm)),
            counts=counts,
        )


@torch.no_grad()
def evaluate(
    model: Bert, batches: Iterable[PaddedBatch], *, next_sentence: bool, ranks: Ranks
) -> Evaluation:
    """Losses and accuracies over the batches of all ranks, in single precision, without dropout."""
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
    """Loss and right answers of pieces, then of pairs, then the numbers of either.

    Beside them the MLM loss of each row, B.
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
    """The losses of a batch's predicted pieces, summed for each of its rows."""
    rows_N = batch.masked_places_N // batch.wanted_BQ.shape[1]
    losses_B = torch.zeros(len(batch.wanted_BQ), dtype=torch.float64, device=losses_N.device)
    return losses_B.index_add_(0, rows_N, losses_N.double())


def _losses(
    model: Bert, batch: Batch, decoder_loss: Decoder, kernel: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sums = pretraining_losses(model, batch, decoder_loss, kernel)
    return sums.mlm, sums.nsp, sums.mlm_right, sums.nsp_right


def _compiled_losses() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One graph for all batches, since their shapes are fixed."""
    return torch.compile(_losses, fullgraph=True, dynamic=False)


def _score(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """The loss of each answer, and how often no other is likelier than the label."""
    losses = functional.cross_entropy(logits, labels, reduction="none")
    # An eighth of the time that argmax takes.
    is_right = logits.gather(1, labels[:, None]) >= logits.amax(dim=1, keepdim=True)
    return losses, int(is_right.sum())
