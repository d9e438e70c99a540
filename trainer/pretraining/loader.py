"""Batches prepared ahead of their step by threads. Their number changes only the waiting time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from trainer.batch import Batch, pin
from trainer.pretraining.batches import Batches, StepRows
from trainer.ranks import Ranks


@dataclass(frozen=True, slots=True)
class _LoadedStep:
    """The rows of a step, and this rank's parts of them, each with its number, as tensors."""

    rows: StepRows
    batches: Sequence[tuple[int, Batch]]


class Loader:
    """The steps from a position on, in order; `workers` threads read ahead, 0: none.

    One more thread finds the rows of the next steps, so that the training need not.
    """

    def __init__(self, batches: Batches, position: int, *, ranks: Ranks, workers: int) -> None:
        self._batches = batches
        self._position = position
        each = batches.parts // ranks.size
        self._parts = range(ranks.rank * each, (ranks.rank + 1) * each)
        self._device = ranks.device
        self._pool = ThreadPoolExecutor(workers, "loader") if workers else None
        self._order = ThreadPoolExecutor(1, "loader order")
        self._ahead: deque[Future[_LoadedStep]] = deque()
        self._num_ahead = workers + 1

    def next_step(self) -> _LoadedStep:
        """Return the next step; waits if it is not ready."""
        if self._pool is None:
            return self._load(self._next_rows())
        while len(self._ahead) < self._num_ahead:
            rows = self._order.submit(self._next_rows)
            self._ahead.append(self._pool.submit(self._load_when_known, rows))
        return self._ahead.popleft().result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._order.shutdown(cancel_futures=True)

    def _next_rows(self) -> StepRows:
        rows = self._batches.rows_at(self._position)
        self._position = rows.next_position
        return rows

    def _load_when_known(self, rows: Future[StepRows]) -> _LoadedStep:
        return self._load(rows.result())

    def _load(self, rows: StepRows) -> _LoadedStep:
        batches = [(part, self._read(rows, part)) for part in self._parts]
        return _LoadedStep(rows, batches)

    def _read(self, rows: StepRows, part: int) -> Batch:
        batch = self._batches.read(rows, part)
        return pin(batch) if self._device.type == "cuda" else batch
