"""Sizes and checks of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from bertdata.config import read_table, to_table
from bertdata.errors import ConfigError
from trainer.pretraining.config import TrainConfig, model_config
from trainer.shape import MODEL_SIZES, ModelConfig


@pytest.mark.parametrize("name", MODEL_SIZES)
def test_sizes_are_the_published_ones(name: str) -> None:
    config = model_config(TrainConfig(model=name), vocab_size=30522, pad_id=0)
    assert (config.num_layers, config.hidden_size) == MODEL_SIZES[name]
    assert config.hidden_size // config.num_heads == 64
    assert config.intermediate_size == 4 * config.hidden_size


def test_single_numbers_of_a_size_can_be_replaced() -> None:
    train = TrainConfig(model="mini", num_layers=3, num_heads=8, intermediate_size=100)
    config = model_config(train, vocab_size=99, pad_id=7)
    assert (config.num_layers, config.hidden_size, config.num_heads) == (3, 256, 8)
    assert (config.intermediate_size, config.vocab_size, config.pad_id) == (100, 99, 7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "huge"}, "model must be one of tiny, mini"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"steps": 0}, "steps must be from 1"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1, got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**values)


def test_width_must_be_a_multiple_of_the_heads() -> None:
    with pytest.raises(ConfigError, match="hidden_size 100 is not a multiple of num_heads 3"):
        model_config(TrainConfig(hidden_size=100, num_heads=3), vocab_size=9, pad_id=0)
    with pytest.raises(ConfigError, match="num_layers must be at least 1, got 0"):
        ModelConfig(vocab_size=9, hidden_size=4, num_layers=0, num_heads=1, intermediate_size=4)


def test_a_table_and_back() -> None:
    config = TrainConfig(model="small", warmup_steps=7)
    assert read_table(TrainConfig, to_table(config), "[train]") == config
