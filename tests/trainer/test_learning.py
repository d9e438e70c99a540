"""That training learns: from chance, by heart, to copy, and as well as can be from Markov text.

Small vocabularies and models, so that each takes seconds; new text in every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bertdata.reader.batches import CompactBatch
from tests.trainer.steps import ALONE, TrainStep
from trainer.batch import to_tensors
from trainer.models.bert import Bert, set_sinusoidal_positions
from trainer.optim.schedule import make_schedule
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures.evaluation import Evaluation, evaluate

IntArray = npt.NDArray[np.int64]
MakeBatch = Callable[[int], CompactBatch]

COPY_LENGTH, COPY_VOCABULARY = 10, 36
STATES, MARKOV_LENGTH, ROWS = 6, 16, 128
PAD, CLS, SEP, MASK, FIRST = 0, 1, 2, 3, 4  # then the pieces of the text


def make_batch(ids_BL: IntArray, masked_BL: npt.NDArray[np.bool_], b_start: int) -> CompactBatch:
    """Rows of one length, every chosen piece shown as [MASK]."""
    rows, length = ids_BL.shape
    places = np.nonzero(masked_BL)
    return CompactBatch(
        input_ids=np.where(masked_BL, MASK, ids_BL).flatten().astype(np.uint16),
        offsets=np.arange(rows + 1) * length,
        segment_b_starts=np.full(rows, b_start),
        masked_positions=places[1],
        masked_ids=ids_BL[places].astype(np.uint16),
        masked_offsets=np.concatenate([[0], np.cumsum(masked_BL.sum(axis=1))]),
        next_sentence_labels=np.arange(rows) % 2,
    )


def learner(**values: Any) -> TrainConfig:
    """A small quick model, for 200 steps."""
    shape = {"hidden_size": 64, "num_heads": 4, "max_positions": 32, "dropout": 0.0}
    return TrainConfig.of(
        **shape, steps=200, optimizer="muon", weight_decay=0.0, beta2=0.98, **values
    )


def train(config: TrainConfig, vocab_size: int, make: MakeBatch) -> Evaluation:
    """Train on `make(step)`, one batch a step; what is reached on four batches more."""
    torch.manual_seed(0)
    model = Bert(config.model.shape(vocab_size=vocab_size, pad_id=PAD))
    set_sinusoidal_positions(model)
    step = TrainStep(model, config, next_sentence=False)
    steps = config.length.steps
    schedule = make_schedule(config.optimizer, steps, in_steps=True)
    for number in range(steps):
        batch = to_tensors(make(number), pad_id=PAD)
        step(number, [(0, batch)], batch.counts, schedule.factor(number, number + 1))
    held_out = [to_tensors(make(steps + i), pad_id=PAD) for i in range(4)]
    return evaluate(model, held_out, next_sentence=False, ranks=ALONE)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def first_step(vocab_size: int) -> StepResult:
    config = TrainConfig.of(model="tiny")
    torch.manual_seed(0)
    model = Bert(config.model.shape(vocab_size=vocab_size, pad_id=PAD))
    step = TrainStep(model, config)
    draws = np.random.default_rng(0)
    ids_BL = draws.integers(FIRST, vocab_size, (64, 32))
    compact = make_batch(ids_BL, draws.random((64, 32)) < 0.15, 16)
    batch = to_tensors(compact, pad_id=PAD)
    return step(0, [(0, batch)], batch.counts, 0.0)


def test_a_run_starts_at_chance() -> None:
    result = first_step(30_522)
    assert result.mlm_loss == pytest.approx(math.log(30_522), abs=0.1)
    assert result.nsp_loss == pytest.approx(math.log(2), abs=0.02)


def copied_text(step: int) -> CompactBatch:
    """[CLS] A [SEP] A [SEP]: pieces hidden in either half can be read off the other."""
    draws = np.random.default_rng(step)
    half_BL = draws.integers(FIRST, COPY_VOCABULARY, (32, COPY_LENGTH))
    ends = [np.full((32, 1), piece) for piece in (CLS, SEP)]
    ids_BL = np.concatenate([ends[0], half_BL, ends[1], half_BL, ends[1]], axis=1)
    masked_BL = np.zeros(ids_BL.shape, dtype=bool)
    chosen = draws.random((32, COPY_LENGTH)) < 0.3
    in_b = draws.random((32, COPY_LENGTH)) < 0.5
    masked_BL[:, 1 : 1 + COPY_LENGTH] = chosen & ~in_b
    masked_BL[:, 2 + COPY_LENGTH : -1] = chosen & in_b
    return make_batch(ids_BL, masked_BL, 2 + COPY_LENGTH)


def test_b_is_copied_from_a() -> None:
    config = learner(num_layers=2, learning_rate=5e-3, muon_learning_rate=3e-2)
    reached = train(config, COPY_VOCABULARY, copied_text)
    assert reached.mlm_loss is not None
    assert reached.mlm_loss < 0.1


def transitions() -> npt.NDArray[np.float64]:
    """From every state mostly to three, one of them likely, and a little to all."""
    draws = np.random.default_rng(99)
    chances = np.zeros((STATES, STATES))
    for state in range(STATES):
        others = draws.permutation(STATES)[:3]
        chances[state, others] = (0.7, 0.2, 0.1)
    return 0.85 * chances + 0.15 / STATES


def markov_text(step: int) -> CompactBatch:
    """Walks over the states, some hidden; between [CLS] and [SEP]."""
    draws = np.random.default_rng(step)
    walks_BL = np.empty((ROWS, MARKOV_LENGTH), dtype=np.int64)
    walks_BL[:, 0] = draws.integers(STATES, size=ROWS)
    cumulated = transitions().cumsum(axis=1)
    for place in range(1, MARKOV_LENGTH):
        steps_B1 = draws.random((ROWS, 1))
        walks_BL[:, place] = (cumulated[walks_BL[:, place - 1]] < steps_B1).sum(axis=1)
    ends = [np.full((ROWS, 1), piece) for piece in (CLS, SEP)]
    ids_BL = np.concatenate([ends[0], walks_BL + FIRST, ends[1]], axis=1)
    masked_BL = draws.random(ids_BL.shape) < 0.15
    masked_BL[:, [0, -1]] = False
    return make_batch(ids_BL, masked_BL, MARKOV_LENGTH + 2)


def bayes_loss(batch: CompactBatch) -> float:
    """The mean loss of who knows the transitions: forward and backward sums over each walk."""
    chances, total = transitions(), 0.0
    for row in range(len(batch.lengths)):
        shown = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]][1:-1]
        masked = slice(batch.masked_offsets[row], batch.masked_offsets[row + 1])
        places = batch.masked_positions[masked] - 1
        states = batch.masked_ids[masked].astype(np.int64) - FIRST
        seen_LS = np.where(shown[:, None] == MASK, 1.0, shown[:, None] == FIRST + np.arange(STATES))
        total -= np.log(posteriors(seen_LS, chances)[places, states]).sum()
    return total / len(batch.masked_ids)


def posteriors(
    seen_LS: npt.NDArray[np.float64], chances: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Of each state at each place, given all that is shown; the first state is uniform."""
    forward_LS, backward_LS = np.ones_like(seen_LS), np.ones_like(seen_LS)
    forward_LS[0] = seen_LS[0]
    for place in range(1, len(seen_LS)):
        forward_LS[place] = seen_LS[place] * (forward_LS[place - 1] @ chances)
    for place in range(len(seen_LS) - 2, -1, -1):
        backward_LS[place] = chances @ (seen_LS[place + 1] * backward_LS[place + 1])
    both_LS = forward_LS * backward_LS
    normed: npt.NDArray[np.float64] = both_LS / both_LS.sum(axis=1, keepdims=True)
    return normed


def test_markov_text_is_learnt_to_within_a_twentieth_of_a_nat() -> None:
    config = learner(num_layers=1, learning_rate=1e-2, muon_learning_rate=2e-2)
    reached = train(config, FIRST + STATES, markov_text)
    batches = [markov_text(config.length.steps + i) for i in range(4)]
    weights = [len(batch.masked_ids) for batch in batches]
    best = float(np.average([bayes_loss(batch) for batch in batches], weights=weights))
    assert reached.mlm_loss is not None
    assert best - 0.05 < reached.mlm_loss < best + 0.05
