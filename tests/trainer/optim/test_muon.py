"""Muon's update: the one torch computes, in any type of numbers, one matrix or many at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trainer.optim.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(12, 12), (8, 30), (30, 8), (1, 5)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(sum(shape))
    matrix = torch.randn(*shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalize(matrix[None])[0]
    turned = left.T @ found @ right.T
    values = turned.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(turned, values.diag(), rtol=0, atol=1e-4)


def test_many_at_once_are_as_one_by_one() -> None:
    torch.manual_seed(1)
    matrices = torch.randn(5, 6, 9)
    together = orthogonalize(matrices)
    for matrix, found in zip(matrices, together, strict=True):
        torch.testing.assert_close(orthogonalize(matrix[None])[0], found)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonalize(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_update_is_that_of_torch(weight_decay: float) -> None:
    shapes = [(16, 16), (16, 40), (40, 16), (16, 16)]
    torch.manual_seed(2)
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    muon = Muon(ours, lr=0.1, weight_decay=weight_decay, dtype=torch.bfloat16)
    reference = torch.optim.Muon(
        theirs, lr=0.1, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        muon.step()
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        step = 0.1 * 0.2 * math.sqrt(max(one.shape))
        torch.testing.assert_close(one, other, rtol=0, atol=0.05 * step)


def test_a_parameter_without_a_gradient_stays() -> None:
    stepped, left = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(3, 4))
    stepped.grad = torch.randn(3, 4)
    Muon([stepped, left], lr=0.1, weight_decay=0.5).step()
    assert (left == 1).all()
    assert (stepped != 1).all()
