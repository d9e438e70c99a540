"""The loss of a step: means over what is predicted, whatever else a batch holds."""

from __future__ import annotations

import pytest
import torch

from trainer.batch import Counts
from trainer.objectives import LossSums

SUMS = LossSums(
    mlm=torch.tensor(6.0),
    nsp=torch.tensor(5.0),
    mlm_right=torch.tensor(1),
    nsp_right=torch.tensor(2),
)


@pytest.mark.parametrize(("next_sentence", "loss"), [(True, 2 + 2.5), (False, 2)])
def test_each_loss_is_a_mean_over_its_own_number(next_sentence: bool, loss: float) -> None:
    counts = Counts(tokens=100, places=120, sequences=2, masked=3, squared_lengths=900)
    assert SUMS.total(counts, next_sentence=next_sentence).item() == loss


def test_a_step_that_predicts_nothing_has_a_finite_loss() -> None:
    assert SUMS.total(Counts(), next_sentence=True).item() == 11


def test_sums_are_in_their_order() -> None:
    assert SUMS.stacked().tolist() == [6, 5, 1, 2]
