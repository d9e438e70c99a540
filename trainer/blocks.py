"""What transformers are built of: embeddings, a block, a stack of blocks, the start of weights.

Shapes: B batch, L length, D width, F feed-forward width, Q positions whose states are wanted (all L
before the last block), T packed tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.attention import Attention
from trainer.shape import ModelConfig

INITIAL_SCALE = 0.02


class Embeddings(nn.Module):
    """Sum of token, segment and position embeddings, normalised."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.segment = nn.Embedding(config.num_segments, config.hidden_size)
        self.position = nn.Embedding(config.max_positions, config.hidden_size)
        self.norm = layer_norm(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, input_ids_BL: Tensor, token_type_ids_BL: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        """Return states B L D.

        `positions`: of each piece within its sequence; None if every row is one sequence.
        """
        if positions is None:
            position_LD = self.position.weight[: input_ids_BL.shape[1]]
        else:
            position_LD = self.position(positions)
        summed_BLD = self.token(input_ids_BL) + self.segment(token_type_ids_BL) + position_LD
        hidden_BLD: Tensor = self.dropout(self.norm(summed_BLD))
        return hidden_BLD


class _Block(nn.Module):
    """Self-attention, then a feed-forward network, each added to its input and normalised."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_heads
        self.hidden_act = config.hidden_act
        self.attention_dropout = config.attention_dropout_or_dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = layer_norm(config)
        self.expand = nn.Linear(width, config.intermediate_size)
        self.contract = nn.Linear(config.intermediate_size, width)
        self.output_norm = layer_norm(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, wanted_BQD: Tensor, hidden_BLD: Tensor, attention: Attention) -> Tensor:
        """Return new states of `wanted_BQD`, which attend to all of `hidden_BLD`."""
        return self.finish(wanted_BQD, self.attend(wanted_BQD, hidden_BLD, attention))

    def attend(self, wanted_BQD: Tensor, hidden_BLD: Tensor, attention: Attention) -> Tensor:
        """Return the outputs of all heads for `wanted_BQD`, concatenated."""
        return attention(
            self.query(wanted_BQD),
            self.key(hidden_BLD),
            self.value(hidden_BLD),
            num_heads=self.num_heads,
            dropout=self.attention_dropout if self.training else 0.0,
        )

    def finish(self, wanted_BQD: Tensor, mixed_BQD: Tensor) -> Tensor:
        """Do what follows attention; every position is computed by itself."""
        attended_BQD = self.attention_output(mixed_BQD)
        wanted_BQD = self.attention_norm(wanted_BQD + self.dropout(attended_BQD))
        expanded_BQF = activate(self.expand(wanted_BQD), self.hidden_act)
        contracted_BQD = self.dropout(self.contract(expanded_BQF))
        output_BQD: Tensor = self.output_norm(wanted_BQD + contracted_BQD)
        return output_BQD


class Stack(nn.ModuleList):
    """Blocks, one after the other. The last one computes only the states that are wanted."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(_Block(config) for _ in range(config.num_layers))

    def run(self, hidden_BLD: Tensor, attention: Attention, wanted_BQ: Tensor | None) -> Tensor:
        """Return the last states, B Q D; B L D if `wanted_BQ` is None.

        `wanted_BQ`: positions within each row. The states are those of a whole last block, but
        cost less.
        """
        hidden_BLD = self._run_all_but_last(hidden_BLD, attention)
        wanted_BQD = hidden_BLD if wanted_BQ is None else _pick(hidden_BLD, wanted_BQ)
        last_BQD: Tensor = self[-1](wanted_BQD, hidden_BLD, attention)
        return last_BQD

    def run_packed(self, hidden_TD: Tensor, attention: Attention, wanted_Q: Tensor) -> Tensor:
        """Return the last states at the places `wanted_Q` of one row of packed tokens, Q D.

        The last block attends for all tokens, so that one kernel serves all blocks. It does the
        rest for the wanted tokens alone.
        """
        hidden_TD = self._run_all_but_last(hidden_TD, attention)
        last: _Block = self[-1]  # type: ignore[assignment]
        mixed_TD = last.attend(hidden_TD, hidden_TD, attention)
        return last.finish(hidden_TD.index_select(0, wanted_Q), mixed_TD.index_select(0, wanted_Q))

    def _run_all_but_last(self, hidden: Tensor, attention: Attention) -> Tensor:
        for number in range(len(self) - 1):
            hidden = self[number](hidden, hidden, attention)
        return hidden


class _LayerNorm(nn.LayerNorm):
    """Torch's, but on a GPU its output has autocast's type: half the memory to pass on."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalise in single precision."""
        normed = super().forward(values)
        if values.is_cuda and torch.is_autocast_enabled("cuda"):
            return normed.to(torch.get_autocast_dtype("cuda"))
        return normed


def layer_norm(config: ModelConfig) -> nn.LayerNorm:
    """Return a layer norm of the model's width."""
    return _LayerNorm(config.hidden_size, eps=config.layer_norm_eps)


def activate(values: Tensor, hidden_act: str) -> Tensor:
    """Apply GELU: exact for "gelu", by tanh for "gelu_new"."""
    return functional.gelu(values, approximate="none" if hidden_act == "gelu" else "tanh")


def initialise(module: nn.Module) -> None:
    """Start the weights as the original: normal, cut at two deviations of 0.02; biases zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        bound = 2 * INITIAL_SCALE
        nn.init.trunc_normal_(module.weight, std=INITIAL_SCALE, a=-bound, b=bound)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _pick(hidden_BLD: Tensor, positions_BQ: Tensor) -> Tensor:
    length, width = hidden_BLD.shape[1:]
    starts_B1 = torch.arange(len(hidden_BLD), device=hidden_BLD.device)[:, None] * length
    flat = hidden_BLD.flatten(0, 1).index_select(0, (starts_B1 + positions_BQ).flatten())
    return flat.view(*positions_BQ.shape, width)
