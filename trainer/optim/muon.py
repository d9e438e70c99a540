"""Muon: momentum whose matrix is made orthogonal before it is applied.

Every direction of a matrix then moves by about the same amount, where momentum alone would move
along a few strong ones. (Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
2024; the scale of the update is that of Liu et al., "Muon is scalable for LLM training", 2025.)

`torch.optim.Muon` computes the same update, but always multiplies in bf16, which is far slower
than single precision on a processor that has no bf16 instructions, and one matrix at a time.

Shapes: M matrices of one shape, R rows, C columns, R <= C.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

# One step maps a singular value s to a s + b s^3 + c s^5. Five steps bring every s in (0, 1] that
# is not tiny to between 0.7 and 1.2: the coefficients trade accuracy for a steep start at zero.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_NUM_STEPS = 5
_EPSILON = 1e-7
_ADAMW_SCALE = 0.2  # the root mean square of a typical AdamW update, at a rate of 1


class Muon(torch.optim.Optimizer):
    """Steps the given 2-dimensional parameters; rates are in AdamW's terms.

    `dtype`: the type that matrices are multiplied in while they are made orthogonal.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update from the gradients; a parameter without one is not changed."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for matrices in _group_by_shape(parameters):
                self._step_together(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def _step_together(
        self, matrices: Sequence[nn.Parameter], rate: float, momentum: float, weight_decay: float
    ) -> None:
        """Update matrices of one shape: a few large products instead of many small ones."""
        updates_MRC = torch.stack([self._next_momentum(matrix, momentum) for matrix in matrices])
        updates_MRC = orthogonalize(updates_MRC, self._dtype)
        scale = _ADAMW_SCALE * math.sqrt(max(updates_MRC.shape[1:]))
        for matrix, update in zip(matrices, updates_MRC, strict=True):
            matrix.mul_(1 - rate * weight_decay)
            matrix.add_(update, alpha=-rate * scale)

    def _next_momentum(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's momentum: the gradient mixed with the mean that already includes it."""
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean: Tensor = state["momentum_buffer"]
        assert matrix.grad is not None
        mean.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(mean, momentum)


def orthogonalize(matrices_MRC: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return matrices with the same singular vectors and all singular values near 1.

    By the Newton-Schulz iteration, multiplied in `dtype`; the result has the type of the input.
    """
    if matrices_MRC.shape[1] > matrices_MRC.shape[2]:
        return orthogonalize(matrices_MRC.mT, dtype).mT
    a, b, c = _COEFFICIENTS
    norms_M11: Tensor = torch.linalg.matrix_norm(matrices_MRC, keepdim=True)
    x_MRC = (matrices_MRC / norms_M11.clamp_min(_EPSILON)).to(dtype)
    for _ in range(_NUM_STEPS):
        gram_MRR = x_MRC @ x_MRC.mT
        polynomial_MRR = torch.baddbmm(gram_MRR, gram_MRR, gram_MRR, beta=b, alpha=c)
        x_MRC = torch.baddbmm(x_MRC, polynomial_MRR, x_MRC, beta=a)
    return x_MRC.to(matrices_MRC.dtype)


def _group_by_shape(matrices: Iterable[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    groups: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
    for matrix in matrices:
        groups[matrix.shape].append(matrix)
    return groups.values()
