"""The shape of a model. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from bertdata.config import check_choice
from bertdata.errors import ConfigError

Activation: TypeAlias = Literal["gelu", "gelu_new"]
# Largest and smallest values; no BERT that was ever trained comes near the largest sizes.
_SIZES = {
    "vocab_size": (1, 1 << 24),
    "hidden_size": (1, 1 << 16),
    "num_layers": (1, 1 << 8),
    "num_heads": (1, 1 << 16),
    "intermediate_size": (1, 1 << 18),
    "max_positions": (1, 1 << 20),
    "num_segments": (1, 1 << 10),
    "pad_id": (0, (1 << 24) - 1),
}
_SHARES = ("dropout", "attention_dropout", "layer_norm_eps")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Shape of a model.

    `max_positions`: the longest sequence it can read. `attention_dropout`: None means as `dropout`.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int = 512
    num_segments: int = 2
    hidden_act: Activation = "gelu"
    dropout: float = 0.1
    attention_dropout: float | None = None
    layer_norm_eps: float = 1e-12
    pad_id: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                check_value(field.name, value, field.name)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size must be a multiple of num_heads, {self.num_heads}, "
                f"got {self.hidden_size}"
            )
        if self.pad_id >= self.vocab_size:
            raise ConfigError(
                f"pad_id must be below vocab_size, {self.vocab_size}, got {self.pad_id}"
            )

    @property
    def attention_dropout_or_dropout(self) -> float:
        """The dropout in effect inside attention."""
        return self.dropout if self.attention_dropout is None else self.attention_dropout


def check_value(key: str, value: object, shown: str) -> None:
    """Raise ConfigError unless a value has the type and range of a key of `ModelConfig`.

    `shown`: what the message calls the key.
    """
    got = f"got {value!r:.60}"
    if key in _SIZES:
        low, high = _SIZES[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{shown} must be a whole number, {got}")
        if not low <= value <= high:
            limit = f"at least {low}" if value < low else f"at most {high}"
            raise ConfigError(f"{shown} must be {limit}, {got}")
    elif key in _SHARES:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ConfigError(f"{shown} must be a number from 0 to 1, {got}")
    elif not isinstance(value, str):
        raise ConfigError(f"{shown} must be a name, {got}")
    else:
        check_choice(shown, value, get_args(Activation))
