"""Lists of neighbours: filled to a size or a little over, or as long as fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from bertdata.grouping import fill_groups, fit_groups

SIZES = st.lists(st.integers(0, 9), max_size=30)


def identity(number: int) -> int:
    return number


@given(SIZES, st.integers(1, 20))
def test_filled_groups_reach_the_capacity_with_their_last_item(
    sizes: list[int], capacity: int
) -> None:
    groups = list(fill_groups(sizes, capacity, identity))
    assert [size for group in groups for size in group] == sizes
    assert all(sum(group[:-1]) < capacity for group in groups)
    assert all(sum(group) >= capacity for group in groups[:-1])


@given(SIZES, st.integers(1, 20))
def test_fitted_groups_exceed_the_capacity_only_with_one_item(
    sizes: list[int], capacity: int
) -> None:
    groups = list(fit_groups(sizes, capacity, identity))
    assert [size for group in groups for size in group] == sizes
    assert all(sum(group) <= capacity or len(group) == 1 for group in groups)
    following = itertools.pairwise(groups)
    assert all(sum(group) + after[0] > capacity for group, after in following)


def test_a_group_is_ready_before_the_next_item_is_read() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in (3, 4, 5):
            read.append(number)
            yield number

    assert next(fill_groups(items(), 3, identity)) == [3]
    assert read == [3]
