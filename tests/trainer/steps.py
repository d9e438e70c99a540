"""Single steps, made of the pieces that the training loop is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from trainer.batch import Batch, Counts
from trainer.decoder_loss import DecoderLoss
from trainer.device import compute_dtype
from trainer.models.bert import Bert
from trainer.optim.optimizers import Optimizers, clip_gradients
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.gradients import Gradients, StepPlan, StepResult
from trainer.ranks import Ranks

ALONE = Ranks(device=torch.device("cpu"))


class TrainStep:
    """Steps of one model. `optimizers`: by default those of the configuration."""

    def __init__(
        self,
        model: Bert,
        config: TrainConfig,
        *,
        optimizers: Optimizers | None = None,
        plan: StepPlan | None = None,
        seed: int = 1,
        next_sentence: bool = True,
    ) -> None:
        self._model, self._config, self._next_sentence = model, config, next_sentence
        self._optimizers = optimizers or Optimizers(model, config.optimizer)
        self._gradients = Gradients(
            model,
            plan or StepPlan(decoder_loss=DecoderLoss()),
            seed=seed,
            num_parts=config.batches.accumulate,
            dtype=compute_dtype(config.machine.precision, model.output_bias.device),
            next_sentence=next_sentence,
        )

    def __call__(
        self,
        step: int,
        batches: Sequence[tuple[int, Batch]],
        counts: Counts,
        factor: float,
        before_update: Callable[[], None] = lambda: None,
    ) -> StepResult:
        """Do one step at `factor` of the peak rate; `before_update`: when gradients are there."""
        sums = self._gradients.accumulate(step, batches, counts)
        norm = clip_gradients(self._model, self._config.optimizer.max_grad_norm)
        numbers = torch.cat([sums, norm[None]])
        before_update()
        rate = self._optimizers.step(factor, numbers.isfinite().all())
        return StepResult.of(numbers.tolist(), counts, rate=rate, next_sentence=self._next_sentence)
