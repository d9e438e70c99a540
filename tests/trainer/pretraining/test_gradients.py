"""A step over micro-batches: the same gradients however it is cut, and none from what is broken."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from bertdata.reader.batches import CompactBatch
from tests.example_folder import make_rows, make_vocabulary
from tests.trainer.models.test_bert import make_model
from tests.trainer.steps import ALONE, TrainStep
from trainer.batch import Counts, PackShape, PaddedBatch, to_packed, to_tensors
from trainer.decoder_loss import DecoderLoss, whole_decoder_loss
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.gradients import StepPlan, StepResult
from trainer.ranks import Ranks

Gradients = dict[str, torch.Tensor]


def to_compact(rows: Sequence[dict[str, object]]) -> CompactBatch:
    def flat(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.concatenate([np.asarray(row[name], dtype=np.int64) for row in rows])

    def offsets(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.cumsum([0] + [len(row[name]) for row in rows])  # type: ignore[arg-type]

    return CompactBatch(
        input_ids=flat("input_ids").astype(np.uint16),
        offsets=offsets("input_ids"),
        segment_b_starts=np.array([row["segment_b_start"] for row in rows]),
        masked_positions=flat("masked_lm_positions"),
        masked_ids=flat("masked_lm_ids").astype(np.uint16),
        masked_offsets=offsets("masked_lm_positions"),
        next_sentence_labels=np.array([row["next_sentence_label"] for row in rows]),
    )


def uneven_rows() -> list[dict[str, object]]:
    """32 rows with 1 to 9 masks each, more of them in the later ones."""
    rows = make_rows(32, make_vocabulary(50), seed=4)
    for number, row in enumerate(rows):
        ids = row["input_ids"]
        places = [i for i in range(1, len(ids) - 1) if ids[i] > 4][: 1 + number // 4]
        row["masked_lm_positions"], row["masked_lm_ids"] = places, [ids[i] for i in places]
    return rows


def one_step(
    accumulate: int, *, packed: bool = False, dropout: float = 0.0, precision: str = "fp32"
) -> tuple[StepResult, Gradients]:
    """A step over the uneven rows, cut into `accumulate` micro-batches, and its gradients."""
    model = make_model(dropout=dropout)
    config = TrainConfig.of(accumulate=accumulate, max_grad_norm=1e9, precision=precision)
    decoder_loss = whole_decoder_loss if packed else DecoderLoss()
    step = TrainStep(model, config, plan=StepPlan(decoder_loss=decoder_loss))
    rows, size = uneven_rows(), 32 // accumulate
    parts = [to_compact(rows[i : i + size]) for i in range(0, 32, size)]
    shape = PackShape(tokens=800, sequences=40, predictions=200, length=24)
    batches = [
        (i, to_packed(part, shape, pad_id=0) if packed else to_tensors(part, pad_id=0))
        for i, part in enumerate(parts)
    ]
    counts = Counts.summed([batch.counts for _, batch in batches])
    gradients: Gradients = {}

    def keep() -> None:
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            gradients[name] = parameter.grad.clone()

    return step(0, batches, counts, 1.0, keep), gradients


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("accumulate", [2, 4, 32])
def test_accumulation_gives_the_same_step(accumulate: int, packed: bool) -> None:
    expected, expected_gradients = one_step(1)
    found, gradients = one_step(accumulate, packed=packed)
    for name in ("loss", "mlm_loss", "nsp_loss", "gradient_norm"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-6)
    assert (found.mlm_accuracy, found.nsp_accuracy) == pytest.approx(
        (expected.mlm_accuracy, expected.nsp_accuracy)
    )
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-5, atol=1e-6)


def test_a_mean_of_means_would_be_another_loss() -> None:
    parts = [uneven_rows()[:2], uneven_rows()[2:]]
    model = make_model()
    losses, counts = [], []
    for rows in (*parts, parts[0] + parts[1]):
        step = TrainStep(model, TrainConfig())
        batch = to_tensors(to_compact(rows), pad_id=0)
        losses.append(step(0, [(0, batch)], batch.counts, 0.0).mlm_loss)
        counts.append(batch.counts.masked)
    weighed = (losses[0] * counts[0] + losses[1] * counts[1]) / counts[2]
    assert losses[2] == pytest.approx(weighed, rel=1e-6)
    assert losses[2] != pytest.approx((losses[0] + losses[1]) / 2, rel=1e-3)


class SeedKeeper:
    """A decoder that notes with which seed the numbers of its batch are drawn."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self._decoder_loss = DecoderLoss()

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seeds.append(torch.initial_seed())
        return self._decoder_loss(*tensors)


@pytest.mark.parametrize(
    ("seed", "step", "seeds"),
    [
        (1, 0, {0: 0x0920004BE40CBA96, 1: 0x4DCB43DE5DC47106}),
        (1, 1, {0: 0x3FD84782C6200B8A, 3: 0x49B719B6D87E4C26}),
        (2, 0, {0: 0x2766E57CB9881555}),
    ],
)
def test_the_seed_of_dropout_is_of_seed_and_step_and_part(
    seed: int, step: int, seeds: dict[int, int]
) -> None:
    """These values never change: a run that is resumed, or cut into other ranks, needs them."""
    keeper = SeedKeeper()
    config = TrainConfig.of(accumulate=4)
    train_step = TrainStep(make_model(), config, plan=StepPlan(decoder_loss=keeper), seed=seed)
    batch = to_tensors(to_compact(uneven_rows()[:2]), pad_id=0)
    train_step(step, [(part, batch) for part in seeds], batch.counts, 0.0)
    assert keeper.seeds == [*seeds.values()]


def test_dropout_follows_from_step_and_part() -> None:
    """Whatever was drawn before, and whichever other parts this rank has."""
    batch = to_tensors(to_compact(uneven_rows()[:8]), pad_id=0)
    step = TrainStep(make_model(dropout=0.5), TrainConfig.of(accumulate=2))

    def loss(number: int, *parts: int) -> float:
        torch.rand(3)
        return step(number, [(part, batch) for part in parts], batch.counts, 0.0).mlm_loss

    first, second = loss(0, 0), loss(0, 1)
    assert loss(0, 0) == first
    assert loss(0, 0, 1) == pytest.approx(first + second, rel=1e-6)
    assert len({first, second, loss(1, 0), loss(1, 1)}) == 4


@pytest.mark.parametrize("broken", range(5))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_step_is_finite_only_if_all_of_its_numbers_are(broken: int, value: float) -> None:
    numbers = [6.0, 1.0, 2.0, 1.0, 0.5]
    counts = Counts(masked=3, sequences=2)
    good = StepResult.of(numbers, counts, rate=0.1, next_sentence=True)
    assert good.is_finite
    assert (good.loss, good.mlm_loss, good.nsp_loss) == (2.5, 2.0, 0.5)
    numbers[broken] = value
    assert not StepResult.of(numbers, counts, rate=0.1, next_sentence=False).is_finite


def test_a_step_that_predicts_nothing_has_no_loss() -> None:
    found = StepResult.of([0.0] * 5, Counts(), rate=0.1, next_sentence=True)
    assert (found.loss, found.mlm_accuracy, found.nsp_accuracy) == (0, 0, 0)
    assert found.is_finite


def test_a_step_after_an_evaluation_has_dropout_too() -> None:
    model = make_model(dropout=0.5)
    batch = to_tensors(to_compact(uneven_rows()[:8]), pad_id=0)
    step = TrainStep(model, TrainConfig())
    expected = step(0, [(0, batch)], batch.counts, 0.0).loss
    model.eval()
    assert step(0, [(0, batch)], batch.counts, 0.0).loss == expected


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(optimizer: str) -> None:
    check_that_a_broken_step_changes_nothing(ALONE, optimizer)


def check_that_a_broken_step_changes_nothing(ranks: Ranks, optimizer: str) -> None:
    """Neither parameters nor the optimisers' state, number of steps included."""
    config = TrainConfig.of(optimizer=optimizer)
    model = make_model().to(ranks.device)
    optimizers = Optimizers(model, config.optimizer)
    step = TrainStep(model, config, optimizers=optimizers)
    good = to_tensors(to_compact(uneven_rows()), pad_id=0)
    step(0, [(0, good)], good.counts, 1.0)
    before = copy.deepcopy(model.state_dict())
    state_before = copy.deepcopy(optimizers.state_dict())
    with torch.no_grad():
        model.output_bias[3] = math.nan
    result = step(1, [(0, good)], good.counts, 1.0)
    assert not result.is_finite
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        model.output_bias[3] = before["output_bias"][3]
    torch.testing.assert_close(model.state_dict(), before, rtol=0.0, atol=0.0)
    for found, expected in zip(optimizers.state_dict(), state_before, strict=True):
        torch.testing.assert_close(found["state"], expected["state"], rtol=0.0, atol=0.0)
    assert step(2, [(0, good)], good.counts, 1.0).is_finite


@pytest.mark.parametrize("packed", [False, True])
def test_products_in_bfloat16_leave_parameters_and_gradients_in_single_precision(
    packed: bool,
) -> None:
    rough, gradients = one_step(2, packed=packed, precision="bf16")
    exact, _ = one_step(2, packed=packed)
    assert rough.loss != exact.loss
    assert rough.loss == pytest.approx(exact.loss, rel=0.01)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}


def test_a_batch_has_the_counts_of_its_rows() -> None:
    rows = uneven_rows()
    batch: PaddedBatch = to_tensors(to_compact(rows), pad_id=0)
    lengths = [len(row["input_ids"]) for row in rows]  # type: ignore[arg-type]
    assert batch.counts == Counts(
        tokens=sum(lengths),
        places=32 * max(lengths),
        sequences=32,
        masked=sum(len(row["masked_lm_ids"]) for row in rows),  # type: ignore[arg-type]
        squared_lengths=sum(length**2 for length in lengths),
    )
    doubled = Counts.summed([batch.counts, batch.counts])
    assert doubled == Counts.from_list([2.0 * value for value in batch.counts.as_list()])
