"""Neighbouring items in lists of about one size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def fill_groups(
    items: Iterable[_Item], capacity: int, size_of: Callable[[_Item], int]
) -> Iterator[list[_Item]]:
    """Lists of neighbours, each ended by the item with which its size reaches `capacity`.

    The last list may be smaller.

    fill_groups(["a", "bcd", "e"], 3, len) -> ["a", "bcd"], ["e"]
    """
    group: list[_Item] = []
    size = 0
    for item in items:
        group.append(item)
        size += size_of(item)
        if size >= capacity:
            yield group
            group, size = [], 0
    if group:
        yield group


def fit_groups(
    items: Iterable[_Item], capacity: int, size_of: Callable[[_Item], int]
) -> Iterator[list[_Item]]:
    """Lists of neighbours, each as long as fits into `capacity`; a larger item is alone.

    fit_groups(["a", "bcd", "e"], 3, len) -> ["a"], ["bcd"], ["e"]
    """
    group: list[_Item] = []
    size = 0
    for item in items:
        item_size = size_of(item)
        if group and size + item_size > capacity:
            yield group
            group, size = [], 0
        group.append(item)
        size += item_size
    if group:
        yield group
