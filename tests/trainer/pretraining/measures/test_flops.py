"""Operations of a step, and the peak of a device."""

from __future__ import annotations

import torch

from trainer.batch import Counts
from trainer.pretraining.measures.flops import peak_flops, step_flops
from trainer.shape import ModelConfig


def test_operations_of_a_step_by_hand() -> None:
    config = ModelConfig(
        vocab_size=1000, hidden_size=8, num_layers=3, num_heads=2, intermediate_size=32
    )
    counts = Counts(tokens=100, places=128, sequences=4, masked=15, squared_lengths=2600)
    matrices = 3 * (4 * 8 * 8 + 2 * 8 * 32)
    by_hand = 6 * (100 * matrices + 15 * (8 * 8 + 8 * 1000) + 4 * 8 * 8) + 12 * 3 * 8 * 2600
    assert step_flops(config, counts) == by_hand


def test_the_peak_is_known_or_given_or_left_open() -> None:
    cpu = torch.device("cpu")
    assert peak_flops(cpu, 0.0) is None
    assert peak_flops(cpu, 2.5) == 2.5e12
