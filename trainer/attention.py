"""Attention within sequences, padded or packed, and the choice of the kernel that computes it.

Packed sequences stand one after the other in one row of tokens; each token attends to the tokens of
its own sequence. Kernels for that: "plain" products, `scaled_dot_product_attention` over a grid
with one row per sequence ("cudnn", "efficient", "math"), and flash attention over the row itself
("varlen"). Which is fastest depends on the card and the version, so it is measured
(`choose_kernel`).

Shapes: B batch, Q queries, L length, D width, H heads, K width of one head; T packed tokens, G
maximum number of sequences in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from bertdata.errors import BertdataError

_SDPA: Mapping[str, SDPBackend] = MappingProxyType(
    {
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "math": SDPBackend.MATH,
    }
)
_KERNELS = ("plain", "varlen", *_SDPA)
_TOLERANCE: Mapping[torch.dtype, float] = MappingProxyType(
    {torch.float32: 1e-4, torch.bfloat16: 4e-2, torch.float16: 1e-2}
)
_TIMED_CALLS = 10


class Attention(Protocol):
    """Mixes values by how well keys fit queries, each within its own sequence."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, num_heads: int, dropout: float
    ) -> Tensor:
        """Return mixed values; all tensors are ... D. `dropout`: a probability."""


@dataclass(frozen=True, slots=True)
class PaddedAttention:
    """One sequence per row, B L D. `bias_B11L`: added to the scores; None if nothing is padded."""

    bias_B11L: Tensor | None

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, num_heads: int, dropout: float
    ) -> Tensor:
        heads = _Heads(*(_split_heads(values_BLD, num_heads) for values_BLD in (query, key, value)))
        is_fused_faster = query.device.type == "cpu" and query.dtype is torch.float32
        product = _fused if is_fused_faster else _plain
        return product(heads, self.bias_B11L, dropout).transpose(1, 2).flatten(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """Which of the packed tokens belong together.

    `offsets`: slot s holds the tokens offsets[s]:offsets[s + 1]; the sequences come first, then
    padding, then empty slots. `places_GL`: where the tokens of each sequence are; 0 past its end.
    `bias_GL`: 0 for tokens, -1e9 past the end. `grid_places_T`: where in the flattened grid each
    token is; 0 for padding.
    """

    offsets: Tensor
    places_GL: Tensor
    bias_GL: Tensor
    grid_places_T: Tensor


@dataclass(slots=True)  # not frozen: torch 2.11 cannot compile code that makes frozen ones
class PackedAttention:
    """Several sequences in one row of tokens, T D, mixed by the kernel of this name."""

    sequences: Sequences
    kernel: str

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, num_heads: int, dropout: float
    ) -> Tensor:
        if self.kernel == "varlen":
            return self._along_the_row(query, key, value, num_heads, dropout)
        return self._in_a_grid(query, key, value, num_heads, dropout)

    def _along_the_row(
        self, query_TD: Tensor, key_TD: Tensor, value_TD: Tensor, num_heads: int, dropout: float
    ) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        if dropout:
            raise BertdataError("the varlen kernel has no dropout; set attention_dropout = 0")
        offsets, length = self.sequences.offsets, self.sequences.places_GL.shape[1]
        query, key, value = (
            x_TD.unflatten(-1, (num_heads, -1)) for x_TD in (query_TD, key_TD, value_TD)
        )
        mixed_THK = varlen_attn(query, key, value, offsets, offsets, length, length)
        assert isinstance(mixed_THK, Tensor)  # it returns more only if asked to
        return mixed_THK.flatten(1)

    def _in_a_grid(
        self, query_TD: Tensor, key_TD: Tensor, value_TD: Tensor, num_heads: int, dropout: float
    ) -> Tensor:
        places_GL = self.sequences.places_GL
        heads = _Heads(
            *(
                _split_heads(functional.embedding(places_GL, values_TD), num_heads)
                for values_TD in (query_TD, key_TD, value_TD)
            )
        )
        bias_G11L = self.sequences.bias_GL[:, None, None, :]
        mixed_GHLK = self._product(heads, bias_G11L, dropout)
        mixed_GLD = mixed_GHLK.transpose(1, 2).flatten(2).flatten(0, 1)
        return functional.embedding(self.sequences.grid_places_T, mixed_GLD)

    def _product(self, heads: _Heads, bias_G11L: Tensor, dropout: float) -> Tensor:
        if self.kernel == "plain":
            return _plain(heads, bias_G11L, dropout)
        query_GHLK = heads.query
        mask = bias_G11L.to(query_GHLK.dtype).expand(*query_GHLK.shape[:3], -1)
        with sdpa_kernel(_SDPA[self.kernel]):
            return functional.scaled_dot_product_attention(
                query_GHLK, heads.key, heads.value, mask, dropout_p=dropout
            )


def choose_kernel(
    sequences: Sequences, *, num_heads: int, width: int, dtype: torch.dtype, dropout: float
) -> tuple[str, dict[str, float]]:
    """Return the fastest kernel that agrees with "plain", and the milliseconds of all that agree.

    Measured forwards and backwards, on the device and in the layout of `sequences`. A kernel that
    does not exist, fails, or returns different outputs or gradients is left out.
    """
    inputs = _random_inputs(sequences, num_heads=num_heads, width=width, dtype=dtype)
    expected = _outputs_and_gradients(sequences, "plain", [x.float() for x in inputs], num_heads)
    milliseconds: dict[str, float] = {}
    for kernel in _KERNELS:
        if kernel == "varlen" and dropout:
            continue
        try:
            found = _outputs_and_gradients(sequences, kernel, inputs, num_heads)
            if _is_near(found, expected, _TOLERANCE[dtype]):
                milliseconds[kernel] = _time(sequences, kernel, inputs, num_heads, dropout)
        except (RuntimeError, ImportError, NotImplementedError, TypeError):
            continue
    if not milliseconds:
        return "plain", {}
    return min(milliseconds, key=lambda kernel: milliseconds[kernel]), milliseconds


class _Heads(NamedTuple):
    """Queries B H Q K, keys and values B H L K."""

    query: Tensor
    key: Tensor
    value: Tensor


def _fused(heads: _Heads, bias: Tensor | None, dropout: float) -> Tensor:
    """Use torch's own: a quarter faster than plain products on a CPU in single precision."""
    return functional.scaled_dot_product_attention(*heads, bias, dropout_p=dropout)


def _plain(heads: _Heads, bias: Tensor | None, dropout: float) -> Tensor:
    """Use plain products: five times as fast as torch's fused attention on a CPU in bf16."""
    query_BHQK = heads.query * heads.query.shape[-1] ** -0.5
    scores_BHQL = query_BHQK @ heads.key.transpose(-2, -1)
    if bias is not None:
        scores_BHQL = scores_BHQL + bias.to(scores_BHQL.dtype)
    shares_BHQL = functional.dropout(scores_BHQL.softmax(dim=-1), dropout)
    mixed_BHQK: Tensor = shares_BHQL @ heads.value
    return mixed_BHQK


def _split_heads(values_BLD: Tensor, num_heads: int) -> Tensor:
    split_BHLK: Tensor = values_BLD.unflatten(-1, (num_heads, -1)).transpose(1, 2)
    return split_BHLK


def _random_inputs(
    sequences: Sequences, *, num_heads: int, width: int, dtype: torch.dtype
) -> list[Tensor]:
    device = sequences.offsets.device
    generator = torch.Generator(device).manual_seed(0)
    shape = (len(sequences.grid_places_T), width)
    return [
        torch.randn(shape, generator=generator, device=device).to(dtype).requires_grad_()
        for _ in range(3)
    ]


def _outputs_and_gradients(
    sequences: Sequences, kernel: str, inputs: Sequence[Tensor], num_heads: int
) -> list[Tensor]:
    """Return those of tokens in a sequence; the outputs of padding must only be finite."""
    is_real_T1 = _is_real(sequences)[:, None]
    inputs = [x.detach().requires_grad_() for x in inputs]
    output_TD = PackedAttention(sequences, kernel)(*inputs, num_heads=num_heads, dropout=0.0)
    kept_TD = output_TD.masked_fill(~is_real_T1, 0.0)
    gradients = torch.autograd.grad(kept_TD.float().square().sum(), inputs)
    return [output_TD * is_real_T1, *gradients]


def _is_real(sequences: Sequences) -> Tensor:
    """Mark the tokens of sequences: only the first token has place 0 in the grid."""
    is_real_T: Tensor = sequences.grid_places_T > 0
    is_real_T[0] = True
    return is_real_T


def _is_near(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> bool:
    return all(
        bool((x.float() - y).abs().max() <= tolerance * y.abs().max())
        for x, y in zip(found, expected, strict=True)
    )


def _time(
    sequences: Sequences,
    kernel: str,
    inputs: Sequence[Tensor],
    num_heads: int,
    dropout: float,
) -> float:
    """Return the median milliseconds of a pass forwards and backwards."""
    attention = PackedAttention(sequences, kernel)

    def run() -> None:
        output = attention(*inputs, num_heads=num_heads, dropout=dropout)
        torch.autograd.grad(output.sum(), inputs)

    seconds = sorted(_seconds(run, sequences.offsets.device, _TIMED_CALLS))
    return 1e3 * seconds[len(seconds) // 2]


def _seconds(run: Callable[[], None], device: torch.device, count: int) -> Iterator[float]:
    for _ in range(count):
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        yield time.perf_counter() - started
