"""Work that mostly waits for another storage, done for many things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16  # requests under way together

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_waiting(
    function: Callable[[_In], _Out], items: Iterable[_In], is_remote: bool
) -> Iterator[_Out]:
    """The results for all items, in order: one by one, or if `is_remote` by several threads.

    An answer from another storage takes milliseconds to arrive, from a disk's cache none.
    """
    if not is_remote:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(_THREADS, "storage")
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
