"""Checkpoints: complete or absent, with all that a run needs to resume bit for bit.

A checkpoint holds parameters, optimiser state and progress. The data of a step and its random
numbers follow from (seed, step, position), so no state of a generator or loader is stored.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bertdata.errors import DataError
from bertdata.storage.files import list_files, read_bytes, remove_file
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from bertdata.storage.writing import atomic_file, sync
from trainer.device import record_event
from trainer.models.bert import Bert
from trainer.optim.optimizers import Optimizers

Parameters = dict[str, Tensor]  # by their names in the model


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a run is.

    `tokens`: trained on, without padding. `phase`: 1 or 2; `position`: sequences taken in it.
    `skipped`: steps without an update; `skipped_in_row`: how many of them came last. `best_loss`:
    the lowest of the evaluations so far, first reached at `best_step`, `evaluations_since_best`
    evaluations ago. `seconds`: of training.
    """

    steps: int = 0
    tokens: int = 0
    phase: int = 1
    position: int = 0
    skipped: int = 0
    skipped_in_row: int = 0
    best_loss: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    seconds: float = 0.0


class CheckpointWriter:
    """Writes checkpoints in a thread; the training waits only before it changes the state.

    The state is copied to the host's memory while the next step computes its gradients; the step
    calls `wait_until_copied` before its update. If a run keeps `best` parameters to return to at
    the end, they are written too. Fsync, rename and the removal of all checkpoints but the newest
    `keep` follow in the same thread.

    `waits`: seconds for which each save delayed the training. `last_step`: the step that was
    written, or loaded, last.
    """

    def __init__(self, folder: Location, model: Bert, optimizers: Optimizers, *, keep: int) -> None:
        self._folder = folder
        self._model = model
        self._optimizers = optimizers
        self._keep = keep
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._copied = threading.Event()
        self._copied.set()
        self._host: dict[str, Tensor] = {}
        self.waits: list[float] = []
        self.last_step = 0

    def make_room(self) -> None:
        """Allocate the host memory for copies, which is slow, before the first save.

        The optimisers must have their state by then.
        """
        self._to_host("", self._state(Progress(), None))

    def start(self, progress: Progress, best: Parameters | None = None) -> None:
        """Begin to write `folder`/step-NNNNNNNN.pt, unless that step was written last.

        Waits until the checkpoint before is whole.
        """
        if progress.steps == self.last_step:
            return
        self.last_step = progress.steps
        started = time.perf_counter()
        self._start(progress, best)
        self.waits.append(time.perf_counter() - started)

    def wait_until_copied(self) -> None:
        """Wait until the parameters and the optimiser's state may change again."""
        if not self._copied.is_set():
            started = time.perf_counter()
            self._copied.wait()
            self.waits[-1] += time.perf_counter() - started

    def finish(self) -> None:
        """Wait until the checkpoint under way is whole. Raises what its thread raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _start(self, progress: Progress, best: Parameters | None) -> None:
        self.finish()
        state = self._state(progress, best)
        ready = record_event(next(self._model.parameters()).device)
        path = self._folder / f"step-{progress.steps:08d}.pt"
        self._copied.clear()
        self._thread = threading.Thread(target=self._write, args=(path, state, ready))
        self._thread.start()

    def _state(self, progress: Progress, best: Parameters | None) -> dict[str, Any]:
        return {
            "progress": asdict(progress),
            "model": self._model.state_dict(),
            "optimizers": self._optimizers.state_dict(),
            **({} if best is None else {"best": best}),
        }

    def _write(self, path: Location, state: Any, ready: torch.cuda.Event | None) -> None:
        try:
            copy = self._copy(state, ready)
            self._copied.set()
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                torch.save(copy, file)
            sync(path.parent)  # before the older ones are removed
            for old in _all_checkpoints(self._folder)[: -self._keep]:
                remove_file(old)
        except BaseException as error:  # handed to the training's own thread
            self._error = error
        finally:
            self._copied.set()

    def _copy(self, state: Any, ready: torch.cuda.Event | None) -> Any:
        if ready is None:
            return self._to_host("", state)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            stream.wait_event(ready)
            copy = self._to_host("", state)
        stream.synchronize()
        return copy

    def _to_host(self, name: str, value: Any) -> Any:
        """Copy nested values; tensors go into host memory that is reused by every save."""
        if isinstance(value, Tensor):
            kept = self._host.get(name)
            if kept is None or kept.shape != value.shape or kept.dtype != value.dtype:
                kept = torch.empty_like(value, device="cpu", pin_memory=value.is_cuda)
                self._host[name] = kept
            return kept.copy_(value, non_blocking=True)
        if isinstance(value, Mapping):
            return {k: self._to_host(f"{name}/{k}", v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._to_host(f"{name}/{i}", v) for i, v in enumerate(value))
        return value


def remove_leftovers(folder: Location) -> None:
    """Remove unfinished checkpoints of killed runs."""
    for found in list_files(folder, with_temporary=True):
        if fnmatchcase(found.path, ".step-*.tmp"):
            remove_file(folder / found.path)


def newest_checkpoint(folder: Location) -> Location | None:
    """Return the checkpoint with the most steps; None if there is none."""
    return next(reversed(_all_checkpoints(folder)), None)


def load_checkpoint(
    path: Location, model: Bert, optimizers: Optimizers
) -> tuple[Progress, Parameters | None]:
    """Load a checkpoint into model and optimisers; return its progress and its `best`."""
    try:
        source = path if isinstance(path, Path) else io.BytesIO(read_bytes(path))
        state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizers.load_state_dict(state["optimizers"])
        return Progress(**state["progress"]), state.get("best")
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        UnpicklingError,
    ) as error:
        message = f"{path} is damaged ({first_line(error)}); delete it to go on from the one before"
        raise DataError(message) from error


def _all_checkpoints(folder: Location) -> list[Location]:
    names = (found.path for found in list_files(folder))
    return [folder / name for name in names if re.fullmatch(r"step-\d{8}\.pt", name)]
