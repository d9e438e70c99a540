"""One step of training, one evaluation."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bertdata.errors import BertdataError
from bertdata.randomness import derive_key
from trainer.config import TrainConfig
from trainer.data import TrainBatch
from trainer.losses import DecoderLoss, pretraining_losses, wanted_states
from trainer.model import Bert
from trainer.optim import Optimizers, clip_gradients

_EVALUATION_CHUNK = 256  # predicted pieces scored at once


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a training step saw. Losses are means in nats; the norm is that before clipping."""

    mlm_loss: float
    nsp_loss: float
    learning_rate: float
    gradient_norm: float
    num_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Means over a whole split; losses in nats. None: an empty split, or no pairs."""

    mlm_loss: float | None
    mlm_accuracy: float | None
    nsp_loss: float | None
    nsp_accuracy: float | None
    num_masked: int
    num_sequences: int


class TrainStep:
    """Trains a model by one batch at a time."""

    def __init__(
        self,
        model: Bert,
        optimizers: Optimizers,
        config: TrainConfig,
        *,
        seed: int,
        next_sentence: bool,
        decoder_loss: DecoderLoss,
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._config = config
        self._seed = seed
        self._next_sentence = next_sentence
        self._decoder_loss = decoder_loss
        self._dtype = compute_dtype(config.precision)

    def __call__(self, step: int, batch: TrainBatch) -> StepResult:
        """Do step `step` (from 0). Its random numbers (dropout) follow from (seed, step)."""
        torch.manual_seed(derive_key(self._seed, "training step", step) >> 1)
        self._model.train()
        with _autocast(self._dtype):
            sums = pretraining_losses(self._model, batch, self._decoder_loss)
            loss = sums.total(next_sentence=self._next_sentence)
        if not math.isfinite(loss.item()):
            raise BertdataError(f"the loss is {loss.item()} at step {step}; lower learning_rate")
        loss.backward()
        norm = clip_gradients(self._model, self._config.max_grad_norm)
        rate = self._optimizers.step(step)
        return StepResult(
            mlm_loss=sums.mlm.item() / max(1, sums.num_masked),
            nsp_loss=sums.nsp.item() / sums.num_sequences,
            learning_rate=rate,
            gradient_norm=norm.item(),
            num_tokens=batch.num_tokens,
        )


@torch.no_grad()
def evaluate(model: Bert, batches: Iterable[TrainBatch], *, next_sentence: bool) -> Evaluation:
    """Losses and accuracies over `batches`, in single precision, without dropout."""
    model.eval()
    mlm_loss, nsp_loss, mlm_right, nsp_right, num_masked, num_sequences = 0.0, 0.0, 0, 0, 0, 0
    for batch in batches:
        hidden_ND, first_BD = wanted_states(model, batch)
        for hidden_CD, ids_C in zip(
            hidden_ND.split(_EVALUATION_CHUNK), batch.masked_ids_N.split(_EVALUATION_CHUNK)
        ):
            loss, right = _score(model.mlm_logits(hidden_CD), ids_C)
            mlm_loss, mlm_right = mlm_loss + loss, mlm_right + right
        loss, right = _score(model.nsp_logits(first_BD), batch.next_sentence_labels_B)
        nsp_loss, nsp_right = nsp_loss + loss, nsp_right + right
        num_masked += len(batch.masked_ids_N)
        num_sequences += len(batch.next_sentence_labels_B)
    num_pairs = num_sequences if next_sentence else 0
    return Evaluation(
        mlm_loss=mlm_loss / num_masked if num_masked else None,
        mlm_accuracy=mlm_right / num_masked if num_masked else None,
        nsp_loss=nsp_loss / num_sequences if num_pairs else None,
        nsp_accuracy=nsp_right / num_sequences if num_pairs else None,
        num_masked=num_masked,
        num_sequences=num_sequences,
    )


def compute_dtype(precision: str) -> torch.dtype:
    """The type that matrices are multiplied in."""
    if precision == "bf16" or (precision == "auto" and _has_native_bf16()):
        return torch.bfloat16
    return torch.float32


def _has_native_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())  # the public way is newer than torch 2.11


def _autocast(dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
    if dtype is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype)


def _score(logits: Tensor, labels: Tensor) -> tuple[float, int]:
    """Summed loss and the number of right answers."""
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    return loss.item(), int((logits.argmax(dim=1) == labels).sum())
