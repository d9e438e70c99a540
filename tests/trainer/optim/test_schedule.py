"""The course of the learning rate, in steps and in shares of a budget."""

from __future__ import annotations

import math

import pytest

from trainer.optim.config import OptimizerOptions
from trainer.optim.schedule import Schedule, make_schedule


def factors(options: OptimizerOptions, total: int) -> list[float]:
    schedule = make_schedule(options, total, in_steps=True)
    return [schedule.factor(i, i + 1) for i in range(total)]


def test_rate_rises_and_falls_linearly() -> None:
    expected = [0.25, 0.5, 0.75, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert factors(OptimizerOptions(warmup_steps=4), 10) == pytest.approx(expected)
    assert factors(OptimizerOptions(warmup_fraction=0.4), 10) == pytest.approx(expected)


def test_cosine_goes_from_one_to_zero() -> None:
    found = factors(OptimizerOptions(warmup_steps=10, schedule="cosine"), 100)
    assert found[9:11] == [1, 1]
    assert found[55] == pytest.approx(0.5)
    assert found[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(90)])


def test_constant_with_cooldown() -> None:
    options = OptimizerOptions(warmup_steps=2, schedule="constant", cooldown_fraction=0.4)
    assert factors(options, 10) == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    endless = OptimizerOptions(warmup_steps=0, schedule="constant", cooldown_fraction=0.0)
    assert set(factors(endless, 10)) == {1}


def test_without_warm_up_the_first_rate_is_the_peak() -> None:
    assert factors(OptimizerOptions(warmup_fraction=0.0), 10)[0] == 1
    assert factors(OptimizerOptions(warmup_steps=0, warmup_fraction=0.5), 10)[0] == 1


def test_warm_up_is_a_whole_number_of_steps_but_any_number_of_tokens() -> None:
    options = OptimizerOptions(warmup_fraction=0.25)
    assert make_schedule(options, 10, in_steps=True).warmup == 2
    assert make_schedule(options, 10, in_steps=False).warmup == 2.5


def test_tokens_are_counted_at_each_step() -> None:
    schedule = Schedule(total=1000, warmup=200)
    assert schedule.factor(50, 150) == pytest.approx(0.75)
    assert schedule.factor(150, 250) == 1
    assert schedule.factor(600, 700) == pytest.approx(0.5)
    assert schedule.factor(1100, 1200) == 0
