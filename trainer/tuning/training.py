"""One seed of fine-tuning: epochs over the rows; the best by a validation score is kept.

Shapes: N answers of a batch, C outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bertdata.arrays import Int64Array
from bertdata.errors import BertdataError
from bertdata.randomness import derive_key
from trainer.device import autocast, compute_dtype
from trainer.optim.config import OptimizerOptions
from trainer.optim.optimizers import adamw, clip_gradients
from trainer.optim.schedule import make_schedule
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.data import TaskBatch, TaskData
from trainer.tuning.heads import TaskModel
from trainer.tuning.scores import classification_scores, regression_scores, tagging_scores

_REPORT_EVERY = 100  # steps
_EVALUATION_ROWS = 64

_Report = Callable[[Mapping[str, object]], None]
Scores = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Epoch:
    """The results of an epoch (from 1). `train_loss`: the mean over its steps."""

    epoch: int
    train_loss: float
    validation: Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A seed's epochs, and the best of them."""

    seed: int
    epochs: list[_Epoch]
    best: _Epoch


class TaskTrainer:
    """Trains models on one task and evaluates them. `labels`: names; none for regression."""

    def __init__(
        self, config: FinetuneConfig, labels: Sequence[str], device: torch.device, report: _Report
    ) -> None:
        self._config, self._labels, self._device, self._report = config, labels, device, report
        self._dtype = compute_dtype(config.precision, self._device)

    def train(
        self, model: TaskModel, data: TaskData, validation: TaskData, *, seed: int
    ) -> Trained:
        """Train all epochs of one seed; `model` then has the parameters of the best one.

        Of epochs with equal scores, the one with the lower loss is better, then the earlier one.
        """
        model.to(self._device)
        run = _Run(model, data, self._config, seed=seed)
        epochs: list[_Epoch] = []
        best, kept = 0, model.state_dict()
        for number in range(1, self._config.epochs + 1):
            train_loss = self._train_epoch(run, number)
            scores = self.evaluate(model, validation)
            self._report({"seed": seed, "epoch": number, "train_loss": train_loss, **scores})
            if not math.isfinite(scores["loss"]):
                raise _diverged("the validation loss", scores["loss"], run.step)
            epochs.append(_Epoch(epoch=number, train_loss=train_loss, validation=scores))
            best_scores = epochs[best].validation
            if number == 1 or is_better(scores, best_scores, self._config.selection):
                best, kept = number - 1, _copy(model)
        model.load_state_dict(kept, strict=False)
        return Trained(seed=seed, epochs=epochs, best=epochs[best])

    def evaluate(self, model: TaskModel, data: TaskData) -> Scores:
        """Return mean loss and scores over labelled rows."""
        logits_NC = self.predict(model, data)
        targets_N = torch.from_numpy(data.targets())
        loss = _task_loss(logits_NC, targets_N, bool(self._labels)).item()
        return {**self._score(data, logits_NC), "loss": loss}

    @torch.no_grad()
    def predict(self, model: TaskModel, data: TaskData) -> Tensor:
        """Return the outputs N C on the CPU, row by row of the file."""
        model.to(self._device).eval()
        parts: list[Tensor] = [torch.empty(0)] * len(data)
        for rows in data.by_length(_EVALUATION_ROWS):
            batch = data.batch(rows, self._device)
            logits_NC = model(batch.text, batch.wanted_BQ, batch.places_N).float().cpu()
            counts = [len(data.positions(row)) for row in rows]
            for row, part in zip(rows, logits_NC.split(counts)):
                parts[row] = part
        return torch.cat(parts)

    def _train_epoch(self, run: _Run, number: int) -> float:
        """Return the mean loss of its steps."""
        losses: list[float] = []
        for rows in run.data.epoch(self._config.batch_size, seed=run.seed, epoch=number - 1):
            losses.append(self._step(run, run.data.batch(rows, self._device)))
            if run.step % _REPORT_EVERY == 0:
                recent = float(np.mean(losses[-_REPORT_EVERY:]))
                self._report({"seed": run.seed, "step": f"{run.step}/{run.steps}", "loss": recent})
        return float(np.mean(losses))

    def _step(self, run: _Run, batch: TaskBatch) -> float:
        """Do one update; its random numbers (dropout) follow from (seed, step)."""
        torch.manual_seed(derive_key(run.seed, "fine-tuning step", run.step) >> 1)
        run.model.train()
        with autocast(self._device, self._dtype):
            logits_NC = run.model(batch.text, batch.wanted_BQ, batch.places_N)
        assert batch.targets_N is not None
        loss = _task_loss(logits_NC.float(), batch.targets_N, bool(self._labels))
        if not math.isfinite(value := loss.item()):
            raise _diverged("the loss", value, run.step)
        loss.backward()
        run.update()
        return value

    def _score(self, data: TaskData, logits_NC: Tensor) -> Scores:
        if not self._labels:
            return regression_scores(data.targets(), logits_NC[:, 0].double().numpy())
        guesses_N = logits_NC.argmax(dim=1).numpy()
        targets_N = data.targets().astype(np.int64)
        if self._config.task == "classification":
            return classification_scores(targets_N, guesses_N, len(self._labels))
        return tagging_scores(
            self._tags(data, targets_N), self._tags(data, guesses_N), self._labels
        )

    def _tags(self, data: TaskData, ids_N: Int64Array) -> list[list[str]]:
        ends = np.cumsum([len(data.positions(row)) for row in range(len(data))])
        return [[self._labels[i] for i in part] for part in np.split(ids_N, ends[:-1])]


class _Run:
    """A model in training: its optimiser, schedule and the steps done."""

    def __init__(
        self, model: TaskModel, data: TaskData, config: FinetuneConfig, *, seed: int
    ) -> None:
        self.model, self.data, self.seed, self.step = model, data, seed, 0
        self.steps = config.epochs * math.ceil(len(data) / config.batch_size)
        self._options = OptimizerOptions(
            learning_rate=config.learning_rate,
            warmup_fraction=config.warmup_fraction,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
        )
        self._schedule = make_schedule(self._options, self.steps, in_steps=True)
        # Not fused, whose last bits differ: the same seed then has the same scores as ever.
        self._optimizer = adamw(model.used_parameters().items(), self._options, is_fused=False)

    def update(self) -> None:
        """Step the optimiser at the rate of this step. Raises BertdataError if it cannot."""
        norm = clip_gradients(self.model, self._options.max_grad_norm).item()
        if not math.isfinite(norm):
            raise _diverged("the gradient norm", norm, self.step)
        rate = self._options.learning_rate * self._schedule.factor(self.step, self.step + 1)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1


def _diverged(what: str, value: float, step: int) -> BertdataError:
    return BertdataError(f"{what} is {value} at step {step}; lower --learning-rate")


def _task_loss(logits_NC: Tensor, targets_N: Tensor, has_labels: bool) -> Tensor:
    """Return the mean cross-entropy in nats over the answers; in regression the squared error."""
    if has_labels:
        return functional.cross_entropy(logits_NC, targets_N.long())
    return functional.mse_loss(logits_NC[:, 0], targets_N.to(logits_NC.dtype))


def is_better(scores: Scores, than: Scores, name: str) -> bool:
    """Whether scores are better: higher, but of the loss lower, which also decides ties."""
    if name != "loss" and scores[name] != than[name]:
        return scores[name] > than[name]
    return scores["loss"] < than["loss"]


def _copy(model: TaskModel) -> dict[str, Tensor]:
    used = model.used_parameters()
    return {name: parameter.detach().cpu().clone() for name, parameter in used.items()}
