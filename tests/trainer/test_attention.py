"""Heads of padded attention, by hand."""

from __future__ import annotations

import torch

from trainer.attention import PaddedAttention


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
