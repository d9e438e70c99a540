"""BERT in the original's form: encoder, masked-language-model head, next-sentence head.

(Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019; layer norm after each
block.) The masked-language-model head is computed only where a piece is predicted.

Shapes: B batch, L length, D width, N predicted pieces of the batch, Q positions whose states are
wanted, T packed tokens, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.attention import Attention, PaddedAttention
from trainer.blocks import INITIAL_SCALE, Embeddings, Stack, activate, initialise, layer_norm
from trainer.shape import ModelConfig

_GIVEN_SCALE = 0.05
_NO_PIECE = -1e4  # the output bias of rows that only fill the vocabulary: their probability is 0


class Bert(nn.Module):
    """Encoder and both pre-training heads; the decoder is the token embedding itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = Stack(config)
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform_norm = layer_norm(config)
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.next_sentence = nn.Linear(config.hidden_size, 2)
        self.apply(initialise)

    def encode(
        self,
        input_ids_BL: Tensor,
        token_type_ids_BL: Tensor,
        real_BL: Tensor | None = None,
        wanted_BQ: Tensor | None = None,
    ) -> Tensor:
        """Return the last layer's states, B L D, or B Q D at the positions `wanted_BQ`.

        `real_BL`: False on padding; None if there is no padding.
        """
        attention = PaddedAttention(None if real_BL is None else _attention_bias(real_BL))
        hidden_BLD: Tensor = self.embeddings(input_ids_BL, token_type_ids_BL)
        return self.layers.run(hidden_BLD, attention, wanted_BQ)

    def encode_packed(
        self,
        input_ids_T: Tensor,
        token_type_ids_T: Tensor,
        positions_T: Tensor,
        attention: Attention,
        wanted_Q: Tensor,
    ) -> Tensor:
        """Return the last layer's states at the places `wanted_Q` of packed sequences, Q D.

        `positions_T`: of each token within its own sequence.
        """
        hidden_TD: Tensor = self.embeddings(input_ids_T, token_type_ids_T, positions_T)
        return self.layers.run_packed(hidden_TD, attention, wanted_Q)

    def mlm_features(self, hidden_ND: Tensor) -> Tensor:
        """Return what the decoder multiplies with the embeddings, N D, at the predicted places."""
        activated_ND = activate(self.transform(hidden_ND), self.config.hidden_act)
        features_ND: Tensor = self.transform_norm(activated_ND)
        return features_ND

    def mlm_logits(self, hidden_ND: Tensor) -> Tensor:
        """Return the score of every piece at the given places, N V."""
        return functional.linear(
            self.mlm_features(hidden_ND), self.embeddings.token.weight, self.output_bias
        )

    def nsp_logits(self, first_BD: Tensor) -> Tensor:
        """Return scores of (B follows A, B is random) from the states of [CLS], B 2."""
        logits_B2: Tensor = self.next_sentence(torch.tanh(self.pooler(first_BD)))
        return logits_B2


def _attention_bias(real_BL: Tensor) -> Tensor:
    """Return what is added to the scores: 0 for real pieces, -1e9 for padding."""
    bias_BL = torch.zeros(real_BL.shape, device=real_BL.device).masked_fill(~real_BL, -1e9)
    return bias_BL[:, None, None, :]


def add_to_tokens(model: Bert, embeddings_VD: Tensor) -> None:
    """Add embeddings V D, of mean square 1, to the random start of the token embeddings."""
    with torch.no_grad():
        model.embeddings.token.weight.add_(embeddings_VD, alpha=_GIVEN_SCALE)


def set_sinusoidal_positions(model: Bert) -> None:
    """Start the position embeddings from sines and cosines, of the usual initial size.

    From the first step on, the distance of two positions is a linear function of their embeddings.
    (Vaswani et al., "Attention is all you need", 2017, section 3.5.)
    """
    weight_LD = model.embeddings.position.weight
    length, width = weight_LD.shape
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(length)[:, None] * frequencies
    waves_LD = torch.stack([torch.sin(angles), torch.cos(angles)], dim=-1).flatten(1)
    with torch.no_grad():
        weight_LD.copy_(waves_LD[:, :width] * (INITIAL_SCALE * math.sqrt(2)))


def set_unigram_bias(model: Bert, counts_V: Tensor) -> None:
    """Start the output bias from the log frequencies of the pieces, with half a count added."""
    shares_V = (counts_V + 0.5) / (counts_V + 0.5).sum()
    with torch.no_grad():
        model.output_bias.copy_(shares_V.log())


def pad_vocabulary(model: Bert, multiple: int) -> None:
    """Pad the vocabulary to a multiple, with rows for pieces that are never read or predicted.

    Matrices of such sizes multiply faster on a GPU. Losses and gradients do not change;
    `strip_vocabulary` removes the rows.
    """
    size, width = model.embeddings.token.weight.shape
    if not (missing := -size % multiple):
        return
    weight_VD, bias_V = model.embeddings.token.weight.data, model.output_bias.data
    weight_VD = torch.cat([weight_VD, weight_VD.new_zeros(missing, width)])
    model.embeddings.token.weight = nn.Parameter(weight_VD)
    model.output_bias = nn.Parameter(torch.cat([bias_V, bias_V.new_full((missing,), _NO_PIECE)]))


def strip_vocabulary(model: Bert) -> dict[str, Tensor]:
    """Return the model's parameters without the rows that `pad_vocabulary` added."""
    size, parameters = model.config.vocab_size, model.state_dict()
    for name in ("embeddings.token.weight", "output_bias"):
        parameters[name] = parameters[name][:size].contiguous()
    return parameters
