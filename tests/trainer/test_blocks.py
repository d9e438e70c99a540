"""A stack of blocks: only the wanted states, padded and packed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from trainer.attention import PaddedAttention
from trainer.blocks import Embeddings, Stack, initialise
from trainer.shape import ModelConfig

SHAPE = ModelConfig(
    vocab_size=30, hidden_size=8, num_layers=3, num_heads=2, intermediate_size=16, dropout=0.0
)


def test_a_stack_has_the_names_of_a_list_of_blocks() -> None:
    names = Stack(SHAPE).state_dict().keys()
    assert {name.split(".")[0] for name in names} == {"0", "1", "2"}
    assert "2.output_norm.weight" in names


def test_wanted_states_are_those_of_all_positions() -> None:
    torch.manual_seed(0)
    stack = Stack(SHAPE).eval()
    hidden_BLD, wanted_BQ = torch.randn(2, 5, 8), torch.tensor([[0, 3], [4, 0]])
    everywhere_BLD = stack.run(hidden_BLD, PaddedAttention(None), None)
    wanted_BQD = stack.run(hidden_BLD, PaddedAttention(None), wanted_BQ)
    for row in range(2):
        torch.testing.assert_close(wanted_BQD[row], everywhere_BLD[row, wanted_BQ[row]])


def test_positions_are_those_of_the_row_unless_given() -> None:
    embeddings = Embeddings(SHAPE).eval()
    ids_BL, segments_BL = torch.tensor([[5, 6, 7]]), torch.zeros(1, 3, dtype=torch.int64)
    same = embeddings(ids_BL, segments_BL, torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(embeddings(ids_BL, segments_BL), same)
    assert not torch.equal(embeddings(ids_BL, segments_BL, torch.tensor([[2, 1, 0]])), same)


class Attend:
    """Attention that notes with which dropout it was called."""

    def __init__(self) -> None:
        self.dropouts: list[float] = []

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, num_heads: int, dropout: float
    ) -> Tensor:
        self.dropouts.append(dropout)
        return value


@pytest.mark.parametrize(("given", "used"), [(0.25, 0.25), (0.0, 0.0), (None, 0.5)])
def test_attention_drops_out_only_in_training(given: float | None, used: float) -> None:
    stack = Stack(replace(SHAPE, dropout=0.5, attention_dropout=given))
    for is_training, expected in ((True, used), (False, 0.0)):
        attend = Attend()
        stack.train(is_training).run(torch.randn(1, 4, 8), attend, None)
        assert attend.dropouts == [expected] * 3


def test_every_layer_drops_out_numbers_of_its_own() -> None:
    """After the embeddings, and in each block after attention and after its network."""
    torch.manual_seed(0)
    shape = replace(SHAPE, dropout=0.5)
    parts = nn.ModuleDict({"embeddings": Embeddings(shape), "layers": Stack(shape)}).train()
    dropped: list[str] = []

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        is_dropped = (output == 0) & (inputs[0] != 0)
        assert 0.3 < is_dropped.float().mean() < 0.7
        dropped.append(str(is_dropped.tolist()))

    for module in parts.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(note)
    ids_BL = torch.randint(30, (4, 12))
    hidden_BLD = parts["embeddings"](ids_BL, torch.zeros_like(ids_BL))
    assert len(dropped) == 1
    parts["layers"].run(hidden_BLD, PaddedAttention(None), None)  # type: ignore[operator]
    assert len(dropped) == len(set(dropped)) == 1 + 2 * 3


def test_weights_start_within_two_deviations_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    layer, table = nn.Linear(200, 300), nn.Embedding(300, 200)
    for module in (layer, table):
        initialise(module)
        assert module.weight.abs().max().item() <= 0.04
        assert module.weight.std().item() == pytest.approx(0.88 * 0.02, rel=0.03)
    assert not layer.bias.any()
