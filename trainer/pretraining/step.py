"""One step of training, one evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bertdata.randomness import derive_key
from trainer.batch import Batch, Counts, to_device
from trainer.decoder_loss import Decoder
from trainer.device import HostCopy, autocast, compute_dtype
from trainer.models.bert import Bert
from trainer.objectives import LossSums, pretraining_losses
from trainer.optim.optimizers import Optimizers, clip_gradients
from trainer.pretraining.config import TrainConfig
from trainer.ranks import Ranks


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


def _losses(
    model: Bert, batch: Batch, decoder_loss: Decoder, kernel: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sums = pretraining_losses(model, batch, decoder_loss, kernel)
    return sums.mlm, sums.nsp, sums.mlm_right, sums.nsp_right


def _compiled_losses() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One graph for all batches, since their shapes are fixed."""
    return torch.compile(_losses, fullgraph=True, dynamic=False)
