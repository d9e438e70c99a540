"""What training is asked to do: model sizes and `TrainConfig`. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bertdata.config import check_choice, check_range
from bertdata.errors import ConfigError
from trainer.shape import ACTIVATIONS, MODEL_SIZES, ModelConfig

_HEAD_WIDTH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a model is pre-trained; the defaults are the original's, but for size and length of run.

    Model. `model`: one of Google's sizes; `num_layers`, `hidden_size`, `num_heads`,
    `intermediate_size` replace one number of it. `hidden_act`: "gelu" (erf) or "gelu_new" (tanh).
    `attention_dropout`: None: as `dropout`. `init_from`: a Hugging Face BERT folder to start from;
    then it decides the shape. `token_init`: "normal", or "cooccurrence" (`trainer.pretraining.start.cooccurrence`)
    from the training examples. `position_init`: "normal" or "sinusoidal" (Vaswani et al. 2017,
    scaled to the same size; learned from there on). `output_bias_init`: "zeros" or "unigram" (log
    frequencies of the pieces to predict, so that training starts at their entropy).
    `output_candidates`: pieces that a training step scores, half the most frequent, half sampled
    (`trainer.decoder_loss.Candidates`); 0 scores all, as evaluation always does. `vocabulary_multiple`:
    the embeddings are filled up to a multiple of so many rows while training; 0: 64 on a GPU.

    Length of the run: `steps`, or `tokens` (padding not counted), or `minutes`, where above 0.
    `early_stop_evaluations`: stop after so many evaluations without a new best loss, and export the
    parameters of the best one, of equal ones the first; 0: never stop early and export the last
    parameters, whatever the evaluations said.

    Batch, of one step: `batch_size` sequences, padded; or, above 0, `batch_tokens` tokens, packed.
    Either is cut into `accumulate` micro-batches for each of `processes` processes (GPUs).
    `group_by_length`: padded batches that are cut together from rows sorted by length, so that less
    is padded; 1 leaves the order alone. `phase2_examples`: an `examples` folder (of longer
    sequences, say) for the last `phase2_fraction` of the run, in batches of `phase2_batch_size`.

    Optimiser. `optimizer`: "adamw", or "muon" (Jordan et al. 2024) for the matrices inside the
    encoder and AdamW for the rest; `muon_learning_rate` is in AdamW's terms. `schedule`, after
    warm-up: "linear" or "cosine" down to 0, or "constant" with a linear `cooldown_fraction` at the
    end. `warmup_steps` replaces `warmup_fraction` of a run of `steps`. `max_skipped_steps`: steps
    in a row whose loss or gradients are not finite before the run ends with an error.

    Machine. `device`: "cpu", "cuda", or "auto". `precision`: "fp32", "bf16", or "auto" (bf16 where
    the processor multiplies it natively). `attention`: a kernel for packed batches, or "auto": the
    fastest that passes a numeric test on a GPU, plain products on a CPU. `compile`: "on", "off",
    or "auto": packed batches on a GPU. `threads`: 0 leaves torch's choice. `loader_workers`:
    threads that make batches ahead; 0: none. `peak_tflops`: of the device, for the share that is
    used; 0: by the name of the card.

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
    attention_dropout: float | None = None
    init_from: str | None = None
    token_init: str = "normal"
    position_init: str = "normal"
    output_bias_init: str = "zeros"
    output_candidates: int = 0
    vocabulary_multiple: int = 0
    steps: int = 2000
    tokens: int = 0
    minutes: float = 0.0
    early_stop_evaluations: int = 0
    batch_size: int = 64
    batch_tokens: int = 0
    accumulate: int = 1
    processes: int = 1
    group_by_length: int = 1
    phase2_examples: str | None = None
    phase2_fraction: float = 0.1
    phase2_batch_size: int | None = None
    learning_rate: float = 1e-3
    schedule: str = "linear"
    warmup_fraction: float = 0.1
    warmup_steps: int | None = None
    cooldown_fraction: float = 0.2
    optimizer: str = "adamw"
    muon_learning_rate: float = 2e-2
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    max_grad_norm: float = 1.0
    max_skipped_steps: int = 10
    device: str = "auto"
    precision: str = "fp32"
    attention: str = "auto"
    compile: str = "auto"
    threads: int = 0
    loader_workers: int = 1
    peak_tflops: float = 0.0
    evaluate_every: int = 0
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    log_every: int = 50

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for name in _SHARES:
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 0, 1)
        for name in _POSITIVE_NUMBERS:
            check_range(name, getattr(self, name), 1, 2**31)
        for name in _COUNTS:
            check_range(name, getattr(self, name), 0, 2**62)
        for name in ("learning_rate", "muon_learning_rate", "eps", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name):g}")
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Raise ConfigError for values that each are fine but not together."""
        if self.tokens and self.minutes:
            raise ConfigError("tokens and minutes are both given; choose one")
        if (self.tokens or self.minutes) and self.warmup_steps is not None:
            raise ConfigError("warmup_steps goes with steps; use warmup_fraction")
        if self.early_stop_evaluations and not self.evaluate_every:
            raise ConfigError("early_stop_evaluations needs evaluate_every; set it above 0")
        if self.batch_tokens and self.output_candidates:
            raise ConfigError("output_candidates are for padded batches; leave batch_tokens at 0")
        if self.batch_tokens % (self.accumulate * self.processes):
            raise ConfigError(
                f"batch_tokens {self.batch_tokens} is not a multiple of accumulate * processes, "
                f"{self.accumulate * self.processes}"
            )


_CHOICES: Mapping[str, Collection[str]] = MappingProxyType(
    {
        "model": MODEL_SIZES,
        "hidden_act": ACTIVATIONS,
        "token_init": ("normal", "cooccurrence"),
        "position_init": ("normal", "sinusoidal"),
        "output_bias_init": ("zeros", "unigram"),
        "schedule": ("linear", "cosine", "constant"),
        "optimizer": ("adamw", "muon"),
        "device": ("auto", "cpu", "cuda"),
        "precision": ("fp32", "bf16", "auto"),
        "attention": ("auto", "plain", "varlen", "cudnn", "efficient", "math"),
        "compile": ("auto", "on", "off"),
    }
)
_SHARES = (
    "dropout",
    "attention_dropout",
    "warmup_fraction",
    "cooldown_fraction",
    "phase2_fraction",
    "beta1",
    "beta2",
    "weight_decay",
)
_POSITIVE_NUMBERS = (
    "steps",
    "batch_size",
    "accumulate",
    "processes",
    "group_by_length",
    "max_skipped_steps",
    "log_every",
    "keep_checkpoints",
)
_COUNTS = (
    "tokens",
    "minutes",
    "batch_tokens",
    "output_candidates",
    "vocabulary_multiple",
    "early_stop_evaluations",
    "threads",
    "loader_workers",
    "peak_tflops",
    "evaluate_every",
    "checkpoint_every",
)


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
        attention_dropout=train.attention_dropout,
        pad_id=pad_id,
    )
