"""What training is asked to do: model sizes and `TrainConfig`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bertdata.config import check_choice, check_range
from bertdata.errors import ConfigError

# Google's published sizes: layers, width. Heads are 64 wide, the feed-forward layer is 4 widths.
MODEL_SIZES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "tiny": (2, 128),
        "mini": (4, 256),
        "small": (4, 512),
        "medium": (8, 512),
        "base": (12, 768),
        "large": (24, 1024),
    }
)
_HEAD_WIDTH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Shape of a model. `max_positions`: the longest sequence it can read."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int = 512
    num_segments: int = 2
    hidden_act: str = "gelu"
    dropout: float = 0.1
    layer_norm_eps: float = 1e-12
    pad_id: int = 0

    def __post_init__(self) -> None:
        check_choice("hidden_act", self.hidden_act, ("gelu", "gelu_new"))
        for name in ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a model is pre-trained; the defaults are the original's, but for size and length of run.

    `model`: one of Google's sizes; `num_layers`, `hidden_size`, `num_heads`, `intermediate_size`
    replace one number of it. `hidden_act`: "gelu" (erf) or "gelu_new" (tanh).
    `init_from`: a Hugging Face BERT folder to continue from; then it decides the shape.
    `token_init`: "normal", or "cooccurrence" (`trainer.cooccurrence`) from the training examples.
    `position_init`: "normal" or "sinusoidal" (Vaswani et al. 2017, scaled to the same size; learned
    from there on). `output_bias_init`: "zeros" or "unigram" (log frequencies of the pieces to
    predict, so that training starts at their entropy). `output_candidates`: pieces that a training
    step scores, half the most frequent, half sampled (`trainer.losses.Candidates`); 0 scores all,
    as evaluation always does. `batch_size`: sequences.
    `group_by_length`: batches that are cut together from rows sorted by length, so that less is
    padded; 1 leaves the order alone. `warmup_steps` replaces `warmup_fraction` of `steps`.
    `optimizer`: "adamw", or "muon" (Jordan et al. 2024) for the matrices inside the encoder and
    AdamW for the rest; `muon_learning_rate` is in AdamW's terms. `precision`: "fp32", "bf16", or
    "auto" (bf16 where the processor multiplies it natively). `threads`: 0 leaves torch's choice.
    `evaluate_every`, `checkpoint_every`: steps, 0 for only at the end.
    """

    model: str = "tiny"
    num_layers: int | None = None
    hidden_size: int | None = None
    num_heads: int | None = None
    intermediate_size: int | None = None
    max_positions: int = 512
    hidden_act: str = "gelu"
    dropout: float = 0.1
    init_from: str | None = None
    token_init: str = "normal"
    position_init: str = "normal"
    output_bias_init: str = "zeros"
    output_candidates: int = 0
    steps: int = 2000
    batch_size: int = 64
    group_by_length: int = 1
    learning_rate: float = 1e-3
    warmup_fraction: float = 0.1
    warmup_steps: int | None = None
    optimizer: str = "adamw"
    muon_learning_rate: float = 2e-2
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    max_grad_norm: float = 1.0
    precision: str = "fp32"
    threads: int = 0
    evaluate_every: int = 0
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    log_every: int = 50

    def __post_init__(self) -> None:
        check_choice("model", self.model, MODEL_SIZES)
        check_choice("optimizer", self.optimizer, ("adamw", "muon"))
        check_choice("precision", self.precision, ("fp32", "bf16", "auto"))
        check_choice("token_init", self.token_init, ("normal", "cooccurrence"))
        check_choice("position_init", self.position_init, ("normal", "sinusoidal"))
        check_choice("output_bias_init", self.output_bias_init, ("zeros", "unigram"))
        for name in ("dropout", "warmup_fraction", "beta1", "beta2"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("steps", "batch_size", "group_by_length", "log_every", "keep_checkpoints"):
            check_range(name, getattr(self, name), 1, 2**31)
        for name in ("threads", "evaluate_every", "checkpoint_every", "output_candidates"):
            check_range(name, getattr(self, name), 0, 2**31)
        check_range("weight_decay", self.weight_decay, 0, 1)
        for name in ("learning_rate", "muon_learning_rate", "eps", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name):g}")


def model_config(train: TrainConfig, *, vocab_size: int, pad_id: int) -> ModelConfig:
    """The shape that `train` asks for, over a vocabulary of `vocab_size` pieces."""
    layers, width = MODEL_SIZES[train.model]
    hidden_size = train.hidden_size or width
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_layers=train.num_layers or layers,
        num_heads=train.num_heads or max(1, hidden_size // _HEAD_WIDTH),
        intermediate_size=train.intermediate_size or 4 * hidden_size,
        max_positions=train.max_positions,
        hidden_act=train.hidden_act,
        dropout=train.dropout,
        pad_id=pad_id,
    )
