"""A stack of blocks: only the wanted states, padded and packed."""

from __future__ import annotations

import torch

from trainer.attention import PaddedAttention
from trainer.blocks import Embeddings, Stack
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
