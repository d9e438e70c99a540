"""BERT in the original's form: encoder, masked-language-model head, next-sentence head.

(Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019; layer norm after each
block.) The masked-language-model head is computed only where a piece is predicted.

Shapes: B batch, L length, D width, F feed-forward width, N predicted pieces of the batch, Q
positions whose states are wanted (all L before the last layer), T packed tokens, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.attention import Attention, PaddedAttention
from trainer.config import ModelConfig

_INITIAL_SCALE = 0.02
_GIVEN_SCALE = 0.05
_NO_PIECE = -1e4  # the output bias of rows that only fill the vocabulary: no probability at all


class Bert(nn.Module):
    """Encoder and both pre-training heads; the decoder is the token embedding itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform_norm = _layer_norm(config)
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.next_sentence = nn.Linear(config.hidden_size, 2)
        self.apply(_initialise)

    def encode(
        self,
        input_ids_BL: Tensor,
        token_type_ids_BL: Tensor,
        real_BL: Tensor | None = None,
        wanted_BQ: Tensor | None = None,
    ) -> Tensor:
        """The last layer's states, B L D.

        `real_BL`: False on padding; None when there is none. `wanted_BQ`: positions in each row
        whose states are wanted, to get B Q D; the last layer then works for these alone, which
        gives the same states for less.
        """
        attention = PaddedAttention(None if real_BL is None else _attention_bias(real_BL))
        hidden_BLD: Tensor = self.embeddings(input_ids_BL, token_type_ids_BL)
        for layer in self.layers[:-1]:
            hidden_BLD = layer(hidden_BLD, hidden_BLD, attention)
        wanted_BQD = hidden_BLD if wanted_BQ is None else _pick(hidden_BLD, wanted_BQ)
        last_BQD: Tensor = self.layers[-1](wanted_BQD, hidden_BLD, attention)
        return last_BQD

    def encode_packed(
        self,
        input_ids_T: Tensor,
        token_type_ids_T: Tensor,
        positions_T: Tensor,
        attention: Attention,
        wanted_Q: Tensor,
    ) -> Tensor:
        """The last layer's states at the places `wanted_Q` of packed sequences, Q D.

        `positions_T`: of each token within its own sequence. The last layer attends for all tokens,
        so that one kernel serves all layers, and does the rest for the wanted ones alone.
        """
        hidden_TD: Tensor = self.embeddings(input_ids_T, token_type_ids_T, positions_T)
        for layer in self.layers[:-1]:
            hidden_TD = layer(hidden_TD, hidden_TD, attention)
        last: Layer = self.layers[-1]  # type: ignore[assignment]
        mixed_TD = last.attend(hidden_TD, hidden_TD, attention)
        return last.finish(hidden_TD.index_select(0, wanted_Q), mixed_TD.index_select(0, wanted_Q))

    def mlm_features(self, hidden_ND: Tensor) -> Tensor:
        """What the decoder multiplies with the embeddings, at the predicted places, N D."""
        features_ND: Tensor = self.transform_norm(self._activate(self.transform(hidden_ND)))
        return features_ND

    def mlm_logits(self, hidden_ND: Tensor) -> Tensor:
        """Scores of every piece at the given places, N V."""
        return functional.linear(
            self.mlm_features(hidden_ND), self.embeddings.token.weight, self.output_bias
        )

    def nsp_logits(self, first_BD: Tensor) -> Tensor:
        """Scores of (B follows A, B is random) from the states of [CLS], B 2."""
        logits_B2: Tensor = self.next_sentence(torch.tanh(self.pooler(first_BD)))
        return logits_B2

    def _activate(self, hidden: Tensor) -> Tensor:
        return activate(hidden, self.config.hidden_act)


class Embeddings(nn.Module):
    """Sum of token, segment and position embeddings, normalised."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.segment = nn.Embedding(config.num_segments, config.hidden_size)
        self.position = nn.Embedding(config.max_positions, config.hidden_size)
        self.norm = _layer_norm(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, input_ids_BL: Tensor, token_type_ids_BL: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        """`positions`: of each piece in its sequence; None where every row is one sequence."""
        if positions is None:
            position_LD = self.position.weight[: input_ids_BL.shape[1]]
        else:
            position_LD = self.position(positions)
        summed_BLD = self.token(input_ids_BL) + self.segment(token_type_ids_BL) + position_LD
        hidden_BLD: Tensor = self.dropout(self.norm(summed_BLD))
        return hidden_BLD


class Layer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalised."""

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
        self.attention_norm = _layer_norm(config)
        self.expand = nn.Linear(width, config.intermediate_size)
        self.contract = nn.Linear(config.intermediate_size, width)
        self.output_norm = _layer_norm(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, wanted_BQD: Tensor, hidden_BLD: Tensor, attention: Attention) -> Tensor:
        """New states for `wanted_BQD`, which attend to all of `hidden_BLD`."""
        return self.finish(wanted_BQD, self.attend(wanted_BQD, hidden_BLD, attention))

    def attend(self, wanted_BQD: Tensor, hidden_BLD: Tensor, attention: Attention) -> Tensor:
        """What the heads find for `wanted_BQD`, side by side."""
        return attention(
            self.query(wanted_BQD),
            self.key(hidden_BLD),
            self.value(hidden_BLD),
            num_heads=self.num_heads,
            dropout=self.attention_dropout if self.training else 0.0,
        )

    def finish(self, wanted_BQD: Tensor, mixed_BQD: Tensor) -> Tensor:
        """All that follows attention, each position for itself."""
        attended_BQD = self.attention_output(mixed_BQD)
        wanted_BQD = self.attention_norm(wanted_BQD + self.dropout(attended_BQD))
        expanded_BQF = activate(self.expand(wanted_BQD), self.hidden_act)
        contracted_BQD = self.dropout(self.contract(expanded_BQF))
        output_BQD: Tensor = self.output_norm(wanted_BQD + contracted_BQD)
        return output_BQD


def activate(values: Tensor, hidden_act: str) -> Tensor:
    """GELU: exact for "gelu", by tanh for "gelu_new"."""
    return functional.gelu(values, approximate="none" if hidden_act == "gelu" else "tanh")


def _pick(hidden_BLD: Tensor, positions_BQ: Tensor) -> Tensor:
    length, width = hidden_BLD.shape[1:]
    starts_B1 = torch.arange(len(hidden_BLD), device=hidden_BLD.device)[:, None] * length
    flat = hidden_BLD.flatten(0, 1).index_select(0, (starts_B1 + positions_BQ).flatten())
    return flat.view(*positions_BQ.shape, width)


def _attention_bias(real_BL: Tensor) -> Tensor:
    """What is added to the scores: 0 for real pieces, for padding so little that it is gone."""
    bias_BL = torch.zeros(real_BL.shape, device=real_BL.device).masked_fill(~real_BL, -1e9)
    return bias_BL[:, None, None, :]


def add_to_tokens(model: Bert, embeddings_VD: Tensor) -> None:
    """Add given embeddings, of mean square 1, to the random start of the token embeddings."""
    with torch.no_grad():
        model.embeddings.token.weight.add_(embeddings_VD, alpha=_GIVEN_SCALE)


def set_sinusoidal_positions(model: Bert) -> None:
    """Start the position embeddings from sines and cosines, of the usual initial size.

    Nearness is then a linear function of two embeddings from the first step on. (Vaswani et al.,
    "Attention is all you need", 2017, section 3.5.)
    """
    weight_LD = model.embeddings.position.weight
    length, width = weight_LD.shape
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(length)[:, None] * frequencies
    waves_LD = torch.stack([torch.sin(angles), torch.cos(angles)], dim=-1).flatten(1)
    with torch.no_grad():
        weight_LD.copy_(waves_LD[:, :width] * (_INITIAL_SCALE * math.sqrt(2)))


def set_unigram_bias(model: Bert, counts_V: Tensor) -> None:
    """Start the output bias from the log frequencies of the pieces, each counted half once more."""
    shares_V = (counts_V + 0.5) / (counts_V + 0.5).sum()
    with torch.no_grad():
        model.output_bias.copy_(shares_V.log())


def pad_vocabulary(model: Bert, multiple: int) -> None:
    """Fill the vocabulary up to a multiple of pieces that nothing ever reads or predicts.

    Matrices of such sizes multiply faster on a GPU. Losses and gradients stay as they were;
    `strip_vocabulary` takes the rows out again.
    """
    size, width = model.embeddings.token.weight.shape
    if not (missing := -size % multiple):
        return
    weight_VD, bias_V = model.embeddings.token.weight.data, model.output_bias.data
    weight_VD = torch.cat([weight_VD, weight_VD.new_zeros(missing, width)])
    model.embeddings.token.weight = nn.Parameter(weight_VD)
    model.output_bias = nn.Parameter(torch.cat([bias_V, bias_V.new_full((missing,), _NO_PIECE)]))


def strip_vocabulary(model: Bert) -> dict[str, Tensor]:
    """The model's parameters without the rows that `pad_vocabulary` added."""
    size, parameters = model.config.vocab_size, model.state_dict()
    for name in ("embeddings.token.weight", "output_bias"):
        parameters[name] = parameters[name][:size].contiguous()
    return parameters


class LayerNorm(nn.LayerNorm):
    """Torch's, but on a GPU its output stays in autocast's type: half the memory to pass on."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalised in single precision."""
        normed = super().forward(values)
        if values.is_cuda and torch.is_autocast_enabled("cuda"):
            return normed.to(torch.get_autocast_dtype("cuda"))
        return normed


def _layer_norm(config: ModelConfig) -> LayerNorm:
    return LayerNorm(config.hidden_size, eps=config.layer_norm_eps)


def _initialise(module: nn.Module) -> None:
    """The original's start: normal cut at two deviations of 0.02, biases zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        bound = 2 * _INITIAL_SCALE
        nn.init.trunc_normal_(module.weight, std=_INITIAL_SCALE, a=-bound, b=bound)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
