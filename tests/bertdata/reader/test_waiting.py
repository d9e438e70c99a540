"""Results come in order, whoever computes them, and an error ends the work."""

from __future__ import annotations

import threading

import pytest

from bertdata.reader.waiting import map_waiting


def test_results_are_in_order_and_computed_at_once() -> None:
    together = threading.Barrier(4, timeout=30)

    def wait(number: int) -> int:
        together.wait()
        return number * number

    assert list(map_waiting(wait, range(8), is_remote=True)) == [n * n for n in range(8)]


def test_on_this_machine_one_comes_after_the_other() -> None:
    threads = set(map_waiting(lambda _: threading.current_thread(), range(5), is_remote=False))
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("is_remote", [False, True])
def test_the_first_error_is_raised(is_remote: bool) -> None:
    results = map_waiting(lambda number: 6 // number, [3, 2, 0, 1], is_remote)
    assert next(results) == 2
    assert next(results) == 3
    with pytest.raises(ZeroDivisionError):
        next(results)
