"""Steps of the demo's training with our Muon and with torch's, in turn; prints one line of JSON.

python -m tests.benchmarks.demo_steps EXAMPLES VOCAB PRECISION PAIRS
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from flows.config import DEMO_CONFIG, load_config
from trainer.optim import optimizers
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.loop import train
from trainer.pretraining.resume import prepare
from trainer.pretraining.run import open_run
from trainer.ranks import Ranks

_BLOCK = 4  # steps timed together


def main(arguments: list[str]) -> None:
    """Time pairs of blocks of steps, after one pair that warms up."""
    examples, vocab, precision, pairs = arguments
    table = load_config(DEMO_CONFIG)
    config = table.train.replaced(precision=precision, token_init="normal", checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        ours = _Training(examples, vocab, Path(folder) / "ours", config, table.seed)
        with mock.patch.object(optimizers, "Muon", _torch_muon):
            theirs = _Training(examples, vocab, Path(folder) / "theirs", config, table.seed)
        found = [(ours.time_block(), theirs.time_block()) for _ in range(int(pairs) + 1)][1:]
        ours.end()
        theirs.end()
    print(json.dumps(_summarize(found)))


def _summarize(found: list[tuple[float, float]]) -> dict[str, Any]:
    ours, theirs = (statistics.median(seconds) for seconds in zip(*found))
    return {
        "ours": round(ours, 3),
        "torch.optim.Muon": round(theirs, 3),
        "times as fast": round(statistics.median(b / a for a, b in found), 2),
    }


class _Training:
    """A training in a thread of its own, which takes a block of steps whenever it is asked to."""

    def __init__(
        self, examples: str, vocab: str, output: Path, config: TrainConfig, seed: int
    ) -> None:
        ranks = Ranks(device=torch.device("cpu"))
        output.mkdir()
        self._run = open_run(
            Path(examples), Path(vocab), output, config=config, seed=seed, ranks=ranks
        )
        prepare(self._run, resume=False)
        self._has_begun, self._is_over = threading.Semaphore(0), threading.Semaphore(0)
        self._is_ending = False
        self._thread = threading.Thread(target=train, args=(self._run, self._wait_between_blocks))

    def time_block(self) -> float:
        """Return the seconds of one step, the mean of a block."""
        if self._thread.ident is None:
            self._thread.start()
            self._is_over.acquire()
        started = time.perf_counter()
        self._has_begun.release()
        self._is_over.acquire()
        return (time.perf_counter() - started) / _BLOCK

    def end(self) -> None:
        """End the training and its thread."""
        self._is_ending = True
        self._has_begun.release()
        self._thread.join()

    def _wait_between_blocks(self) -> bool:
        if self._run.progress.steps % _BLOCK == 0:
            self._is_over.release()
            self._has_begun.acquire()
        return self._is_ending


def _torch_muon(
    matrices: Iterable[nn.Parameter], *, lr: float, weight_decay: float, dtype: torch.dtype
) -> torch.optim.Muon:
    """Torch's with the arguments of ours; it multiplies in bf16 whatever `dtype` is."""
    return torch.optim.Muon(
        matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
