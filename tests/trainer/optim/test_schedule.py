"""How the rate goes, by steps and by shares of a budget."""

from __future__ import annotations

import math

import pytest

from trainer.pretraining.config import TrainConfig
from trainer.pretraining.length import Budget, rate_factor


def factors(config: TrainConfig, total: int) -> list[float]:
    return [rate_factor(i, i + 1, total, config) for i in range(total)]


def test_rate_rises_and_falls_linearly() -> None:
    expected = [0.25, 0.5, 0.75, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    by_steps = TrainConfig(steps=10, warmup_steps=4)
    assert factors(by_steps, 10) == pytest.approx(expected)
    by_fraction = TrainConfig(steps=10, warmup_fraction=0.4)
    assert factors(by_fraction, 10) == pytest.approx(expected)


def test_cosine_goes_from_one_to_nothing() -> None:
    found = factors(TrainConfig(steps=100, warmup_steps=10, schedule="cosine"), 100)
    assert found[9:11] == [1, 1]
    assert found[55] == pytest.approx(0.5)
    assert found[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(90)])


def test_constant_with_cooldown() -> None:
    config = TrainConfig(steps=10, warmup_steps=2, schedule="constant", cooldown_fraction=0.4)
    assert factors(config, 10) == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    for_ever = TrainConfig(steps=10, warmup_steps=0, schedule="constant", cooldown_fraction=0.0)
    assert set(factors(for_ever, 10)) == {1}


def test_without_warm_up_the_first_rate_is_the_peak() -> None:
    assert rate_factor(0, 1, 10, TrainConfig(warmup_fraction=0.0)) == 1


def test_tokens_count_as_they_come() -> None:
    config = TrainConfig(tokens=1000, warmup_fraction=0.2)
    assert Budget.of(config) == Budget(unit="tokens", total=1000)
    assert rate_factor(50, 150, 1000, config) == pytest.approx(0.75)
    assert rate_factor(150, 250, 1000, config) == 1
    assert rate_factor(600, 700, 1000, config) == pytest.approx(0.5)
    assert rate_factor(1100, 1200, 1000, config) == 0


def test_minutes_are_a_budget_in_seconds() -> None:
    assert Budget.of(TrainConfig(minutes=1.5)) == Budget(unit="seconds", total=90)
    assert Budget.of(TrainConfig(steps=7)) == Budget(unit="steps", total=7)
