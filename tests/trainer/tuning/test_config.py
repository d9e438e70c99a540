"""Checks of the configuration of fine-tuning."""

from __future__ import annotations

import argparse

import pytest

from trainer.command import take_config
from trainer.tuning.config import FinetuneConfig, add_arguments


@pytest.mark.parametrize(
    ("task", "score"),
    [("classification", "accuracy"), ("regression", "pearson"), ("tagging", "accuracy")],
)
def test_each_task_has_its_score(task: str, score: str) -> None:
    assert FinetuneConfig(task=task).selection == score
    assert FinetuneConfig(task=task, select_by="loss").selection == "loss"


def test_flags_are_keys() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = ["--seeds=1,2", "--no-header", "--from-scratch", "--text-pair=b"]
    given = vars(parser.parse_args(["model", "--train=a", "--output=b", *flags]))
    expected = FinetuneConfig(seeds=(1, 2), header=False, from_scratch=True, text_pair="b")
    assert take_config(FinetuneConfig, given) == expected
