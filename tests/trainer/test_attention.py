"""Heads of padded attention, by hand."""

from __future__ import annotations

import pytest
import torch

from trainer.attention import PaddedAttention, _fused, _Heads, _plain


def test_heads_are_mixed_each_by_itself() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 6, dtype=torch.float64) for _ in range(3))
    bias_B11L = torch.zeros(2, 1, 1, 4, dtype=torch.float64)
    bias_B11L[1, :, :, 3] = -1e9
    found = PaddedAttention(bias_B11L)(query, key, value, num_heads=2, dropout=0.0)
    for row in range(2):
        for head in (slice(0, 3), slice(3, 6)):
            scores = query[row, :, head] @ key[row, :, head].T / 3**0.5 + bias_B11L[row, 0]
            expected = scores.softmax(dim=1) @ value[row, :, head]
            torch.testing.assert_close(found[row, :, head], expected)


def test_plain_products_are_those_of_torch() -> None:
    """Also where there are fewer queries than keys, and where some keys are padding."""
    torch.manual_seed(0)
    heads = _Heads(torch.randn(2, 3, 2, 8), *torch.randn(2, 2, 3, 5, 8))
    bias = torch.zeros(2, 1, 1, 5).index_fill(3, torch.tensor([4]), -1e9)
    torch.testing.assert_close(_plain(heads, bias, 0.0), _fused(heads, bias, 0.0))


@pytest.mark.parametrize("product", [_plain, _fused])
def test_dropout_leaves_out_shares_and_raises_the_others(product: object) -> None:
    torch.manual_seed(0)
    heads = _Heads(torch.zeros(1, 1, 400, 4), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))
    found = product(heads, None, 0.5)[0, 0, :, 0]  # type: ignore[operator]
    kept = (2 * found).round()  # of four shares of a quarter, each doubled if it is kept
    torch.testing.assert_close(found, kept / 2)
    assert kept.unique().tolist() == [0, 1, 2, 3, 4]
    assert kept.mean().item() == pytest.approx(2, abs=0.2)
