"""Checks of a model's shape."""

from __future__ import annotations

import pytest

from bertdata.errors import ConfigError
from trainer.shape import ModelConfig

SHAPE = {"vocab_size": 9, "hidden_size": 4, "num_layers": 1, "num_heads": 1, "intermediate_size": 4}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"num_heads": 3}, "hidden_size must be a multiple of num_heads, 3, got 4"),
        ({"hidden_act": "relu"}, "hidden_act must be one of gelu, gelu_new"),
    ],
)
def test_shapes_that_cannot_be(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**{**SHAPE, **values})  # type: ignore[arg-type]


def test_attention_has_the_same_dropout_unless_it_has_its_own() -> None:
    assert ModelConfig(**SHAPE, dropout=0.3).attention_dropout_or_dropout == 0.3
    own = ModelConfig(**SHAPE, dropout=0.3, attention_dropout=0.0)
    assert own.attention_dropout_or_dropout == 0.0
