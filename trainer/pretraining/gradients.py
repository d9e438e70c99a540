"""The gradients of one step, summed over its micro-batches, and what the step found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bertdata.randomness import derive_key
from trainer.batch import Batch, Counts, to_device
from trainer.decoder_loss import Decoder
from trainer.device import autocast
from trainer.models.bert import Bert
from trainer.objectives import LossSums, pretraining_losses


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPlan:
    """How the losses of a batch are computed: by which decoder and attention, compiled or not."""

    decoder_loss: Decoder
    kernel: str = "plain"
    is_compiled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a training step found, over all its micro-batches and ranks.

    Losses (in nats) and accuracies (in [0, 1]) are means; the norm is that before clipping. If
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

    @classmethod
    def of(
        cls, numbers: Sequence[float], counts: Counts, *, rate: float, next_sentence: bool
    ) -> StepResult:
        """Make the means from `numbers`: the four sums of `accumulate`, and the gradient norm."""
        mlm, nsp, mlm_right, nsp_right, norm = numbers
        masked, sequences = max(1, counts.masked), max(1, counts.sequences)
        mlm_loss, nsp_loss = mlm / masked, nsp / sequences
        return cls(
            loss=mlm_loss + nsp_loss if next_sentence else mlm_loss,
            mlm_loss=mlm_loss,
            nsp_loss=nsp_loss,
            mlm_accuracy=mlm_right / masked,
            nsp_accuracy=nsp_right / sequences,
            gradient_norm=norm,
            learning_rate=rate,
            is_finite=all(math.isfinite(value) for value in numbers),
            counts=counts,
        )


class Gradients:
    """Computes the gradients of micro-batches.

    `num_parts`: micro-batches of a step on all ranks. `dtype`: of products. `next_sentence`:
    whether the next-sentence loss is trained.
    """

    def __init__(
        self,
        model: Bert,
        plan: StepPlan,
        *,
        seed: int,
        num_parts: int,
        dtype: torch.dtype,
        next_sentence: bool,
    ) -> None:
        self._model = model
        self._plan = plan
        self._seed = seed
        self._num_parts = num_parts
        self._dtype = dtype
        self._next_sentence = next_sentence
        self._losses = _compiled_losses() if plan.is_compiled else _losses

    def accumulate(self, step: int, batches: Sequence[tuple[int, Batch]], counts: Counts) -> Tensor:
        """Add the gradients of this rank's micro-batches to the model.

        `step`: from 0. `batches`: each with its number among all parts of the step. `counts`: of
        the whole step. The random numbers (dropout) of a part follow from (seed, step, part).

        Returns four sums on the device: both losses, then both numbers of right answers.
        """
        self._model.train()
        device = self._model.output_bias.device
        sums = torch.zeros(4, device=device)
        for part, batch in batches:
            key = derive_key(self._seed, "training step", step * self._num_parts + part)
            torch.manual_seed(key >> 1)
            sums += self._add(to_device(batch, device), counts)
        return sums

    def _add(self, batch: Batch, counts: Counts) -> Tensor:
        with autocast(self._model.output_bias.device, self._dtype):
            mlm, nsp, mlm_right, nsp_right = self._losses(
                self._model, batch, self._plan.decoder_loss, self._plan.kernel
            )
        sums = LossSums(mlm=mlm, nsp=nsp, mlm_right=mlm_right, nsp_right=nsp_right)
        sums.total(counts, next_sentence=self._next_sentence).backward()
        return sums.stacked()


def _losses(
    model: Bert, batch: Batch, decoder_loss: Decoder, kernel: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sums = pretraining_losses(model, batch, decoder_loss, kernel)
    return sums.mlm, sums.nsp, sums.mlm_right, sums.nsp_right


def _compiled_losses() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Compile one graph for all batches, whose shapes are fixed."""
    return torch.compile(_losses, fullgraph=True, dynamic=False)
