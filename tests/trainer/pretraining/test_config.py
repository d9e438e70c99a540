"""Sizes and checks of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from bertdata.config import key_docs, keys, read_table, to_table
from bertdata.errors import ConfigError
from trainer.pretraining.config import (
    MODEL_SIZES,
    BatchOptions,
    Budget,
    MachineOptions,
    ModelOptions,
    ReportOptions,
    RunLength,
    TrainConfig,
)
from trainer.shape import ModelConfig


@pytest.mark.parametrize("name", MODEL_SIZES)
def test_sizes_are_the_published_ones(name: str) -> None:
    config = ModelOptions(model=name).shape(vocab_size=30522, pad_id=0)
    assert (config.num_layers, config.hidden_size) == MODEL_SIZES[name]
    assert config.hidden_size // config.num_heads == 64
    assert config.intermediate_size == 4 * config.hidden_size


def test_single_numbers_of_a_size_can_be_replaced() -> None:
    options = ModelOptions(model="mini", num_layers=3, num_heads=8, intermediate_size=100)
    config = options.shape(vocab_size=99, pad_id=7)
    assert (config.num_layers, config.hidden_size, config.num_heads) == (3, 256, 8)
    assert (config.intermediate_size, config.vocab_size, config.pad_id) == (100, 99, 7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "huge"}, "model must be one of tiny, mini"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"num_layers": 0}, "num_layers must be from 1"),
        ({"hidden_size": -8}, "hidden_size must be from 1"),
        ({"phase2_batch_size": 0}, "phase2_batch_size must be from 1"),
        ({"learning_rate": 10**400}, "learning_rate must be a number of 64 bits, got 1"),
        ({"steps": 10**400}, "steps must be from 1 to 2.14748e\\+09, got 1"),
        ({"steps": 0}, "steps must be from 1"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1, got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.of(**values)


def test_width_must_be_a_multiple_of_the_heads() -> None:
    with pytest.raises(ConfigError, match="hidden_size must be a multiple of num_heads, 3"):
        ModelOptions(hidden_size=100, num_heads=3).shape(vocab_size=9, pad_id=0)
    with pytest.raises(ConfigError, match="num_layers must be at least 1, got 0"):
        ModelConfig(vocab_size=9, hidden_size=4, num_layers=0, num_heads=1, intermediate_size=4)


def test_minutes_are_a_budget_in_seconds() -> None:
    assert RunLength(minutes=1.5).budget == Budget(unit="seconds", total=90)
    assert RunLength(tokens=1000).budget == Budget(unit="tokens", total=1000)
    assert RunLength(steps=7).budget == Budget(unit="steps", total=7)


def test_a_group_checks_its_own_values() -> None:
    with pytest.raises(ConfigError, match="batch_tokens must be a multiple of accumulate"):
        BatchOptions(batch_tokens=99, accumulate=2)
    with pytest.raises(ConfigError, match="device must be one of auto, cpu, cuda; got 'tpu'"):
        MachineOptions(device="tpu")
    with pytest.raises(ConfigError, match="log_every must be from 1"):
        ReportOptions(log_every=0)


def test_keys_of_all_groups_stand_in_one_table() -> None:
    config = TrainConfig.of(batch_size=3, learning_rate=1)
    assert (config.batches.batch_size, config.optimizer.learning_rate) == (3, 1.0)
    assert to_table(config)["batch_size"] == 3
    assert config.replaced(steps=9).batches == config.batches
    with pytest.raises(ConfigError, match=r"\[train\] has no key 'batches'"):
        read_table(TrainConfig, {"batches": {}}, "[train]")
    with pytest.raises(ConfigError, match=r"\[train\] steps must be an integer, got 'x'"):
        TrainConfig.of(steps="x")


def test_every_key_has_a_sentence() -> None:
    docs = key_docs(TrainConfig)
    assert list(docs) == keys(TrainConfig)
    assert all(text.endswith(".") for text in docs.values())


def test_a_table_and_back() -> None:
    config = TrainConfig.of(model="small", warmup_steps=7)
    assert read_table(TrainConfig, to_table(config), "[train]") == config
