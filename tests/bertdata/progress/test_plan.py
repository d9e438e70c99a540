"""When two plans lead to the same work."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from bertdata.progress.plan import StagePlan


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"stage": "vocab"}, False),
        ({"config": {"seed": 2, "examples": {"max_seq_length": 128}}}, False),
        ({"inputs": {"files": []}}, False),
        ({"units": [["a", 0, 2]]}, False),
        ({"config": {"seed": 1, "examples": {"max_seq_length": 9}}}, True),
        ({"work": "other", "text_bytes": 9, "num_parts": 9, "notices": ("a",)}, True),
    ],
    ids=str,
)
def test_the_digest_is_that_of_the_work(
    plan: StagePlan, change: dict[str, Any], is_same: bool
) -> None:
    plan = dataclasses.replace(plan, free_keys=("examples.max_seq_length",))
    assert (dataclasses.replace(plan, **change).digest == plan.digest) is is_same


def test_a_plan_without_work_and_one_that_was_sent_make_the_same_manifest(plan: StagePlan) -> None:
    assert pickle.loads(pickle.dumps(plan)).digest == plan.digest
    small = dataclasses.replace(plan, work="much").without_work()
    assert (small.work, small.units) == (None, ())
    assert (small.stage, small.config, small.inputs) == (plan.stage, plan.config, plan.inputs)
