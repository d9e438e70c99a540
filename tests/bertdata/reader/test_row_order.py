"""The order of training: every row once an epoch, anywhere at once, mixed well."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.reader.row_order import WINDOW_BLOCKS, RowOrder

BLOCK_ROWS = st.lists(st.integers(0, 40), min_size=1, max_size=100).filter(any)


@given(block_rows=BLOCK_ROWS, seed=st.integers(0, 2**63), epoch=st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_every_epoch_is_a_permutation(block_rows: list[int], seed: int, epoch: int) -> None:
    order = RowOrder(block_rows)
    places = epoch * order.num_rows + np.arange(order.num_rows)
    rows, epochs = order.rows_at(places, seed)
    assert np.array_equal(np.sort(rows), np.arange(order.num_rows))
    assert (epochs == epoch).all()


@given(block_rows=BLOCK_ROWS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_place_is_worked_out_alone(block_rows: list[int], data: st.DataObject) -> None:
    order = RowOrder(block_rows)
    whole, epochs = order.rows_at(np.arange(3 * order.num_rows), seed=5)
    places = data.draw(st.lists(st.integers(0, 3 * order.num_rows - 1), max_size=20))
    rows, own_epochs = RowOrder(block_rows).rows_at(np.array(places, dtype=np.int64), seed=5)
    assert rows.tolist() == whole[places].tolist()
    assert own_epochs.tolist() == epochs[places].tolist()


@pytest.mark.parametrize(
    ("seed", "epoch", "windows"),
    [
        (1, 0, [[31, 23, 19, 5, 4, 35], [56, 55, 47, 53, 52, 9], [40, 13, 25, 37, 36, 39]]),
        (1, 1, [[43, 51, 23, 12, 9, 22], [27, 40, 17, 41, 6, 15], [2, 37, 55, 1, 38, 0]]),
        (2, 0, [[17, 35, 50, 25, 4, 15], [8, 28, 42, 10, 43, 11], [56, 46, 54, 45, 55, 32]]),
        (2, 1, [[55, 29, 43, 47, 34, 35], [0, 4, 24, 57, 20, 2], [51, 9, 52, 53, 30, 11]]),
    ],
)
def test_the_order_never_changes(seed: int, epoch: int, windows: list[list[int]]) -> None:
    """Each of seed, epoch and window counts; a run that is resumed relies on all of them."""
    order = RowOrder([3] * 20)
    size = 3 * WINDOW_BLOCKS
    starts = epoch * 60 + np.arange(0, 60, size)
    found = [order.rows_at(start + np.arange(6), seed)[0].tolist() for start in starts]
    assert found == windows


def test_windows_of_equal_blocks_are_in_orders_of_their_own() -> None:
    order = RowOrder([100] * 3 * WINDOW_BLOCKS)
    rows, _ = order.rows_at(np.arange(order.num_rows), seed=1)
    ranks = [np.argsort(np.argsort(window)) for window in rows.reshape(3, -1)]
    for first, second in itertools.combinations(ranks, 2):
        assert (first == second).mean() < 0.02


def test_a_window_has_the_rows_of_its_blocks() -> None:
    """What a reader has to have in memory: never more than the blocks of one window."""
    order = RowOrder([7] * 100)
    rows, _ = order.rows_at(np.arange(700), seed=1)
    size = 7 * WINDOW_BLOCKS
    for window in (rows[start : start + size] for start in range(0, 700, size)):
        assert len(np.unique(window // 7)) == len(window) // 7


@pytest.mark.parametrize("num_blocks", [WINDOW_BLOCKS, 32 * WINDOW_BLOCKS])
def test_order_depends_on_seed_and_epoch_and_is_well_mixed(num_blocks: int) -> None:
    order = RowOrder([100] * num_blocks)
    places = np.arange(order.num_rows)
    chosen = ((1, 0), (1, 1), (2, 0), (1, 0))
    orders = [order.rows_at(places + epoch * order.num_rows, seed)[0] for seed, epoch in chosen]
    assert np.array_equal(orders[0], orders[3])
    for other in orders[1:3]:
        assert (orders[0] == other).mean() < 0.01
    assert abs(np.corrcoef(places, orders[0])[0, 1]) < 5 / np.sqrt(num_blocks)
    # A batch of 64 is from nearly as many blocks as 64 rows of the window drawn at random.
    expected = WINDOW_BLOCKS * (1 - (1 - 1 / WINDOW_BLOCKS) ** 64)
    batches = orders[0][: 64 * (order.num_rows // 64)].reshape(-1, 64) // 100
    found = np.mean([len(np.unique(batch)) for batch in batches])
    assert abs(found - expected) < 0.5
