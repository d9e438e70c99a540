"""The shape of a model. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bertdata.config import check_choice
from bertdata.errors import ConfigError

ACTIVATIONS = ("gelu", "gelu_new")


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
    hidden_act: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float | None = None
    layer_norm_eps: float = 1e-12
    pad_id: int = 0

    def __post_init__(self) -> None:
        check_choice("hidden_act", self.hidden_act, ACTIVATIONS)
        for name in ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )

    @property
    def attention_dropout_or_dropout(self) -> float:
        """The dropout in effect inside attention."""
        return self.dropout if self.attention_dropout is None else self.attention_dropout
