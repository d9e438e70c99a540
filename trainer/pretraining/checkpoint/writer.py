"""Writes checkpoints beside the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor

from bertdata.config import Table
from bertdata.errors import BertdataError
from bertdata.storage.files import remove_file
from bertdata.storage.locations import Location
from bertdata.storage.writing import atomic_file, sync
from trainer.device import record_event
from trainer.models.bert import Bert
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.checkpoint.file import Content, write_content
from trainer.pretraining.checkpoint.folder import all_checkpoints, path_of
from trainer.pretraining.checkpoint.progress import Progress
from trainer.pretraining.checkpoint.state import (
    Parameters,
    find_not_finite,
    name_best,
    state_tensors,
)


class CheckpointWriter:
    """Writes checkpoints in a thread; the training waits only before it changes the state.

    The state is copied to the host's memory while the next step computes its gradients; the step
    calls `wait_until_copied` before its update. If a run keeps `best` parameters to return to at
    the end, they are written too; they are not copied, and must not change. Checksum, fsync, rename
    and the removal of all checkpoints but the newest `keep` follow in the same thread.

    `identity`: which run the checkpoints belong to. `waits`: seconds for which each save delayed
    the training. `last_step`: the step that was written, or loaded, last.
    """

    def __init__(
        self,
        folder: Location,
        model: Bert,
        optimizers: Optimizers,
        *,
        identity: Table,
        keep: int,
    ) -> None:
        self._folder = folder
        self._model = model
        self._optimizers = optimizers
        self._identity = identity
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
        self._to_host(state_tensors(self._model, self._optimizers))

    def start(self, progress: Progress, best: Parameters | None = None) -> None:
        """Begin to write `folder`/step-NNNNNNNN.safetensors, unless that step was written last.

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
        tensors = state_tensors(self._model, self._optimizers)
        ready = record_event(next(self._model.parameters()).device)
        self._copied.clear()
        # The training changes its progress meanwhile.
        given = (progress.steps, asdict(progress), tensors, best or {}, ready)
        self._thread = threading.Thread(target=self._write, args=given)
        self._thread.start()

    def _write(
        self,
        steps: int,
        progress: Table,
        tensors: Mapping[str, Tensor],
        best: Parameters,
        ready: torch.cuda.Event | None,
    ) -> None:
        try:
            copies = {**self._copy(tensors, ready), **name_best(best)}
            self._copied.set()
            _check_finite(copies, steps)
            content = Content(identity=self._identity, progress=progress, tensors=copies)
            with atomic_file(path_of(self._folder, steps)) as temporary:
                write_content(temporary, content)
            sync(self._folder)  # before the older ones are removed
            for old in all_checkpoints(self._folder)[: -self._keep]:
                remove_file(old)
        except BaseException as error:  # handed to the training's own thread
            self._error = error
        finally:
            self._copied.set()

    def _copy(
        self, tensors: Mapping[str, Tensor], ready: torch.cuda.Event | None
    ) -> dict[str, Tensor]:
        if ready is None:
            return self._to_host(tensors)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            stream.wait_event(ready)
            copies = self._to_host(tensors)
        stream.synchronize()
        return copies

    def _to_host(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copy tensors into host memory that is reused by every save."""
        for name, value in tensors.items():
            if name not in self._host:
                self._host[name] = torch.empty(
                    value.shape, dtype=value.dtype, pin_memory=value.is_cuda
                )
            self._host[name].copy_(value, non_blocking=True)
        return {name: self._host[name] for name in tensors}


def _check_finite(tensors: Mapping[str, Tensor], steps: int) -> None:
    """Raise BertdataError over a state that training cannot come back from.

    It would take the place of older checkpoints that it can.
    """
    if name := find_not_finite(tensors):
        raise BertdataError(
            f"{name} is not finite after step {steps}, so no checkpoint of it is kept; "
            "lower learning_rate"
        )
