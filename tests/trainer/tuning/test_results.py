"""The table of scores and the spread over seeds."""

from __future__ import annotations

import pytest

from trainer.tuning.results import spread, to_lines


def test_spread_of_seeds() -> None:
    assert spread([{"f1": 0.5}]) == {"f1": {"mean": 0.5, "std": 0.0}}
    found = spread([{"f1": 0.5}, {"f1": 0.7}])["f1"]
    assert (found["mean"], found["std"]) == pytest.approx((0.6, 0.02**0.5))


def test_one_line_per_seed_then_mean_and_deviation() -> None:
    seeds = [{"seed": n, "validation": {"f1": n / 10}} for n in (1, 3)]
    summary = {"validation": spread([seed["validation"] for seed in seeds]), "seeds": seeds}  # type: ignore[misc]
    lines = [line.split() for line in to_lines(summary)]
    assert lines[0] == ["validation", "f1"]
    assert lines[1:3] == [["seed", "1", "0.1000"], ["seed", "3", "0.3000"]]
    assert lines[3:] == [["mean", "0.2000"], ["std", "0.1414"]]
