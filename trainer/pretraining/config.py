"""What pre-training is asked to do, in groups by owner. Imports no torch.

The keys of all groups stand side by side in `[train]` and on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from bertdata.config import FLAT, check_choices, check_range, read_table, to_table
from bertdata.errors import ConfigError
from trainer.optim.config import OptimizerOptions
from trainer.shape import Activation, ModelConfig

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
class ModelOptions:
    """The shape of the model, and what its parameters start from."""

    model: Literal["tiny", "mini", "small", "medium", "base", "large"] = "tiny"
    """One of Google's sizes: tiny, mini, small, medium, base, large."""
    num_layers: int | None = None
    """Replaces the number of layers of `model`."""
    hidden_size: int | None = None
    """Replaces the width of `model`."""
    num_heads: int | None = None
    """Replaces the number of attention heads, one per 64 of hidden_size."""
    intermediate_size: int | None = None
    """Replaces the width of the feed-forward layer, four times hidden_size."""
    max_positions: int = 512
    """The longest sequence that the model can read, in pieces."""
    hidden_act: Activation = "gelu"
    """The activation: "gelu" (by erf) or "gelu_new" (by tanh)."""
    dropout: float = 0.1
    """Probability with which a hidden number is dropped while training."""
    attention_dropout: float | None = None
    """The same inside attention; left out: as dropout."""
    init_from: str | None = None
    """A Hugging Face BERT folder to start from, which then decides the shape."""
    token_init: Literal["normal", "cooccurrence"] = "normal"
    """Start of token embeddings: "normal", or "cooccurrence" in the training examples."""
    position_init: Literal["normal", "sinusoidal"] = "normal"
    """Start of position embeddings, which are learned on: "normal" or "sinusoidal"."""
    output_bias_init: Literal["zeros", "unigram"] = "zeros"
    """Start of the output bias: "zeros", or "unigram", the log frequencies of the pieces."""
    output_candidates: int = 0
    """Pieces scored by a training step, half frequent, half sampled; 0: all, as evaluation does."""
    vocabulary_multiple: int = 0
    """Embeddings are padded to a multiple of this many rows while training; 0: 64 on a GPU."""

    def __post_init__(self) -> None:
        check_choices(self)
        _check_shares(self, ("dropout", "attention_dropout"))
        _check_positive(self, ("num_layers", "hidden_size", "num_heads", "intermediate_size"))
        _check_positive(self, ("max_positions",))
        _check_counts(self, ("output_candidates", "vocabulary_multiple"))

    def shape(self, *, vocab_size: int, pad_id: int) -> ModelConfig:
        """Return the shape of a new model over a vocabulary of `vocab_size` pieces."""
        layers, width = MODEL_SIZES[self.model]
        hidden_size = self.hidden_size or width
        return ModelConfig(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_layers=self.num_layers or layers,
            num_heads=self.num_heads or max(1, hidden_size // _HEAD_WIDTH),
            intermediate_size=self.intermediate_size or 4 * hidden_size,
            max_positions=self.max_positions,
            hidden_act=self.hidden_act,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            pad_id=pad_id,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much a run may use: so many steps, tokens (padding not counted) or seconds."""

    unit: Literal["steps", "tokens", "seconds"]
    total: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLength:
    """How long the run is: so many steps, or tokens, or minutes."""

    steps: int = 2000
    """Steps of the run, unless tokens or minutes are given."""
    tokens: int = 0
    """Tokens to train on, without padding; 0: steps count."""
    minutes: float = 0.0
    """Minutes to train for; 0: steps count."""
    early_stop_evaluations: int = 0
    """Evaluations without a new best loss before the run stops and exports the best; 0: never."""

    def __post_init__(self) -> None:
        _check_positive(self, ("steps",))
        _check_counts(self, ("tokens", "minutes", "early_stop_evaluations"))
        if self.tokens and self.minutes:
            raise ConfigError("tokens and minutes are both given; choose one")

    @property
    def budget(self) -> Budget:
        """How much the run may use."""
        if self.tokens:
            return Budget(unit="tokens", total=self.tokens)
        if self.minutes:
            return Budget(unit="seconds", total=60 * self.minutes)
        return Budget(unit="steps", total=self.steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """What one step trains on."""

    batch_size: int = 64
    """Sequences per step, padded to the longest."""
    batch_tokens: int = 0
    """Tokens per step, sequences packed one after the other; 0: batch_size counts."""
    accumulate: int = 1
    """Micro-batches that a step is cut into, for each process."""
    processes: int = 1
    """Processes that share a step, one per GPU."""
    group_by_length: int = 1
    """Padded batches that are cut together from rows sorted by length; 1 keeps the order."""
    phase2_examples: str | None = None
    """An examples folder, such as one of longer sequences, for the last part of the run."""
    phase2_fraction: float = 0.1
    """Share of the run that trains on phase2_examples."""
    phase2_batch_size: int | None = None
    """Sequences per step of that part; left out: as batch_size."""

    def __post_init__(self) -> None:
        _check_positive(self, ("batch_size", "accumulate", "processes", "group_by_length"))
        _check_positive(self, ("phase2_batch_size",))
        _check_counts(self, ("batch_tokens",))
        _check_shares(self, ("phase2_fraction",))
        if self.batch_tokens % (self.accumulate * self.processes):
            raise ConfigError(
                "batch_tokens must be a multiple of accumulate * processes, "
                f"{self.accumulate * self.processes}, got {self.batch_tokens}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineOptions:
    """Where the model is computed, and how."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """The device: "cpu", "cuda", or "auto" for a GPU if there is one."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """Of products: "fp32", "bf16", or "auto" for bf16 if the processor multiplies it natively."""
    attention: Literal["auto", "plain", "varlen", "cudnn", "efficient", "math"] = "auto"
    """Kernel for packed batches: "plain", "varlen", "cudnn", "efficient", "math"; "auto" picks."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether the step is compiled: "on", "off", or "auto" for packed batches on a GPU."""
    threads: int = 0
    """Threads of the CPU; 0: torch's choice."""
    loader_workers: int = 1
    """Threads that prepare batches ahead of their step; 0: none."""
    peak_tflops: float = 0.0
    """Peak of the device in TFLOP/s, to report the share in use; 0: known from the card's name."""

    def __post_init__(self) -> None:
        check_choices(self)
        _check_counts(self, ("threads", "loader_workers", "peak_tflops"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """How often the run evaluates, saves and reports. None of it shapes the model."""

    evaluate_every: int = 0
    """Steps between evaluations on the validation split; 0: only at the end."""
    checkpoint_every: int = 500
    """Steps between checkpoints; 0: only at the end."""
    keep_checkpoints: int = 2
    """Checkpoints to keep; older ones are removed."""
    log_every: int = 50
    """Steps between lines of progress."""

    def __post_init__(self) -> None:
        _check_positive(self, ("keep_checkpoints", "log_every"))
        _check_counts(self, ("evaluate_every", "checkpoint_every"))


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a model is pre-trained."""

    model: ModelOptions = field(default_factory=ModelOptions, metadata=FLAT)
    length: RunLength = field(default_factory=RunLength, metadata=FLAT)
    batches: BatchOptions = field(default_factory=BatchOptions, metadata=FLAT)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions, metadata=FLAT)
    machine: MachineOptions = field(default_factory=MachineOptions, metadata=FLAT)
    reports: ReportOptions = field(default_factory=ReportOptions, metadata=FLAT)

    def __post_init__(self) -> None:
        length, reports = self.length, self.reports
        if (length.tokens or length.minutes) and self.optimizer.warmup_steps is not None:
            raise ConfigError("warmup_steps goes with steps; use warmup_fraction")
        if length.early_stop_evaluations and not reports.evaluate_every:
            raise ConfigError("early_stop_evaluations needs evaluate_every; set it above 0")
        if self.batches.batch_tokens and self.model.output_candidates:
            raise ConfigError("output_candidates are for padded batches; leave batch_tokens at 0")

    @classmethod
    def of(cls, **values: str | float | None) -> TrainConfig:
        """Make a configuration from keys as in `[train]`; the others have their defaults."""
        return read_table(cls, values, "[train]")

    def replaced(self, **values: str | float | None) -> TrainConfig:
        """Return a copy with some keys replaced."""
        return read_table(TrainConfig, {**to_table(self), **values}, "[train]")


def _check_shares(options: object, names: Iterable[str]) -> None:
    for name in names:
        if (value := getattr(options, name)) is not None:
            check_range(name, value, 0, 1)


def _check_positive(options: object, names: Iterable[str]) -> None:
    for name in names:
        if (value := getattr(options, name)) is not None:
            check_range(name, value, 1, 2**31)


def _check_counts(options: object, names: Iterable[str]) -> None:
    for name in names:
        check_range(name, getattr(options, name), 0, 2**62)
