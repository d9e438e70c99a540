"""The masked-language-model loss from features at the predicted places, computed cheaply.

Shapes: N predicted pieces, C a chunk of them or the candidates, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.batch import IGNORED

_CHUNK = 256  # predictions scored together: their scores fit into the processor's cache


# Returns the summed loss and the number of right answers for features N D, weights V D, bias V and
# labels N.
Decoder = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class Candidates:
    """Which pieces are scored in a step: an estimate of the full softmax at a part of its cost.

    The most frequent pieces and the pieces to predict are always scored. A uniform sample stands
    for the others, with weights that make the estimated sum over the vocabulary unbiased. (Jean et
    al., "On using very large target vocabulary for neural machine translation", 2015, with the
    frequent pieces kept exact.)

    `counts_V`: how often each piece is to be predicted. `number`: half are frequent, half sampled,
    and as many more are sampled as make all of them a multiple of `multiple`, because the
    processor's library compiles and keeps code for every shape.
    """

    def __init__(self, counts_V: Tensor, number: int, multiple: int = 256) -> None:
        frequent = counts_V.argsort(descending=True, stable=True)[: number // 2]
        self._is_frequent_V = torch.zeros(len(counts_V), dtype=torch.bool)
        self._is_frequent_V[frequent] = True
        self._num_sampled = number - number // 2
        self._multiple = multiple

    def choose(self, labels_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the candidates' ids, what to add to their scores, and where the labels are."""
        self._is_frequent_V = self._is_frequent_V.to(labels_N.device)
        is_certain_V = self._is_frequent_V.clone()
        is_certain_V[labels_N] = True
        certain, others = is_certain_V.nonzero()[:, 0], (~is_certain_V).nonzero()[:, 0]
        order = torch.randperm(len(others), device=labels_N.device)
        minimum = len(certain) + self._num_sampled
        sampled = others[order[: self._num_sampled + -minimum % self._multiple]]
        ids_C = torch.cat([certain, sampled])
        log_weights_C = torch.zeros(len(ids_C), device=labels_N.device)
        if len(sampled):
            log_weights_C[len(certain) :] = math.log(len(others) / len(sampled))
        places_V = torch.empty_like(self._is_frequent_V, dtype=torch.int64)
        places_V[ids_C] = torch.arange(len(ids_C), device=labels_N.device)
        return ids_C, log_weights_C, places_V[labels_N]


class DecoderLoss:
    """Summed cross-entropy of the scores features @ weight.T + bias against the labels.

    Labels of the last rows may be IGNORED. Right answers are counted among the pieces that are
    scored. Products have autocast's type if autocast is on. The forward pass computes scores and
    turns them into gradients chunk by chunk, in memory that is reused by every step: on a CPU this
    takes a third of the time of plain layers, which pass single-precision scores through fresh
    memory several times.
    """

    def __init__(self, candidates: Candidates | None = None) -> None:
        self._candidates = candidates
        self._slopes = torch.empty(0)

    def __call__(
        self, features_ND: Tensor, weight_VD: Tensor, bias_V: Tensor, labels_N: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, differentiable by all but labels, and the number of right answers."""
        labels_N = labels_N[labels_N != IGNORED]
        if self._candidates is not None:
            ids_C, log_weights_C, labels_N = self._candidates.choose(labels_N)
            weight_VD = weight_VD.index_select(0, ids_C)
            bias_V = bias_V.index_select(0, ids_C) + log_weights_C
        dtype = _compute_dtype(features_ND)
        slopes_NV = self._room_for(len(features_ND), len(bias_V), features_ND.device, dtype)
        loss, right = _DecoderLoss.apply(features_ND, weight_VD, bias_V, labels_N, slopes_NV)
        return loss, right

    def _room_for(self, n: int, v: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        old = self._slopes
        if old.numel() < n * v or old.dtype != dtype or old.device != device:
            self._slopes = torch.empty(n * v, dtype=dtype, device=device)
        return self._slopes[: n * v].view(n, v)


def whole_decoder_loss(
    features_ND: Tensor, weight_VD: Tensor, bias_V: Tensor, labels_N: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the same in plain operations, for a GPU's compiler; labels may be IGNORED."""
    scores_NV = functional.linear(features_ND, weight_VD, bias_V).float()
    loss = functional.cross_entropy(scores_NV, labels_N, reduction="sum", ignore_index=IGNORED)
    return loss, (scores_NV.argmax(dim=1) == labels_N).sum()


class _DecoderLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass: those of a sum follow from its terms."""

    @staticmethod
    def forward(
        context: Any,
        features_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor,
        labels_N: Tensor,
        slopes_NV: Tensor,
    ) -> tuple[Tensor, Tensor]:
        dtype = slopes_NV.dtype
        features, weight, bias = features_ND.to(dtype), weight_VD.to(dtype), bias_V.to(dtype)
        d_features = torch.empty_like(features)
        loss = torch.zeros((), device=features.device)
        right = torch.zeros_like(loss)
        for start in range(0, len(features), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            # Scores first; `_to_slopes` turns them into gradients in the same memory.
            slopes_CV = torch.addmm(bias, features[chunk], weight.t(), out=slopes_NV[chunk])
            labels_C = labels_N[chunk]
            slopes_CV[len(labels_C) :] = 0  # rows that only fill the shape
            chunk_loss, chunk_right = _to_slopes(slopes_CV[: len(labels_C)], labels_C)
            loss, right = loss + chunk_loss, right + chunk_right
            torch.mm(slopes_CV, weight, out=d_features[chunk])
        d_weight = slopes_NV.t() @ features
        d_bias = slopes_NV.t() @ torch.ones_like(features[:, 0])
        context.save_for_backward(
            d_features.to(features_ND.dtype), d_weight.to(weight_VD.dtype), d_bias.to(bias_V.dtype)
        )
        context.mark_non_differentiable(right)
        return loss, right

    @staticmethod
    def backward(
        context: Any, d_loss: Tensor, _: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None, None]:
        d_features, d_weight, d_bias = context.saved_tensors
        return (
            d_features * d_loss.to(d_features.dtype),
            d_weight * d_loss,
            d_bias * d_loss,
            None,
            None,
        )


def _to_slopes(scores_CV: Tensor, labels_C: Tensor) -> tuple[Tensor, Tensor]:
    """Turn scores, in place, into the derivative of the loss by each score.

    Returns the summed loss, and how often no piece is likelier than the label.
    """
    torch.softmax(scores_CV, dim=1, out=scores_CV)
    places_C1 = labels_C[:, None]
    likelihoods_C1 = scores_CV.gather(1, places_C1)
    num_right = (likelihoods_C1 >= scores_CV.amax(dim=1, keepdim=True)).sum()
    scores_CV.scatter_(1, places_C1, likelihoods_C1 - 1)
    tiny = torch.finfo(torch.float32).tiny
    return -likelihoods_C1.float().clamp_min(tiny).log().sum(), num_right


def _compute_dtype(values: Tensor) -> torch.dtype:
    kind = values.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else values.dtype
