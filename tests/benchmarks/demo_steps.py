"""Steps of the demo's training with our Muon and with torch's, in turn; prints one line of JSON.

python -m tests.benchmarks.demo_steps EXAMPLES VOCAB PRECISION PAIRS
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from flows.config import DEMO_CONFIG, load_config
from trainer.optim import optimizers as optim
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.loop import Steps
from trainer.pretraining.run import Run
from trainer.ranks import Ranks

_BLOCK = 4  # steps timed together


def main(arguments: list[str]) -> None:
    """Time pairs of blocks of steps, after one pair that warms up."""
    examples, vocab, precision, pairs = arguments
    table = load_config(DEMO_CONFIG)
    config = replace(table.train, precision=precision, token_init="normal", checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        ours = _steps(examples, vocab, Path(folder) / "ours", config, table.seed)
        with mock.patch.object(optim, "Muon", _torch_muon):
            theirs = _steps(examples, vocab, Path(folder) / "theirs", config, table.seed)
        found = [(_seconds(ours), _seconds(theirs)) for _ in range(int(pairs) + 1)][1:]
        ours.close()
        theirs.close()
    print(json.dumps(_summarize(found)))


def _summarize(found: list[tuple[float, float]]) -> dict[str, Any]:
    ours, theirs = (statistics.median(seconds) for seconds in zip(*found))
    return {
        "ours": round(ours, 3),
        "torch.optim.Muon": round(theirs, 3),
        "times as fast": round(statistics.median(b / a for a, b in found), 2),
    }


def _steps(examples: str, vocab: str, output: Path, config: TrainConfig, seed: int) -> Steps:
    ranks = Ranks(device=torch.device("cpu"))
    run = Run(Path(examples), Path(vocab), output, config=config, seed=seed, ranks=ranks)
    output.mkdir()
    run.prepare(resume=False)
    return Steps(run, None)


def _seconds(steps: Steps) -> float:
    """Of one step, the mean of a block."""
    started = time.perf_counter()
    for _ in range(_BLOCK):
        steps.do_next()
    return (time.perf_counter() - started) / _BLOCK


def _torch_muon(
    matrices: Iterable[nn.Parameter], *, lr: float, weight_decay: float, dtype: torch.dtype
) -> torch.optim.Muon:
    """Torch's with the arguments of ours; it multiplies in bf16 whatever `dtype` is."""
    return torch.optim.Muon(
        matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
