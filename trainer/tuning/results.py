"""The results of fine-tuning, as written and as shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from torch import Tensor

from bertdata.config import Table
from trainer.tuning.data import TaskData
from trainer.tuning.tasks import TaskRow
from trainer.tuning.training import Scores, Trained


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """A seed and how its best epoch scored. `test`: None without labelled test rows."""

    trained: Trained
    test: Scores | None


def seed_table(result: SeedResult) -> dict[str, object]:
    """Return the part of results.json about one seed."""
    trained = result.trained
    table: dict[str, object] = {
        "seed": trained.seed,
        "best_epoch": trained.best.epoch,
        "validation": trained.best.validation,
        "epochs": [asdict(epoch) for epoch in trained.epochs],
    }
    return table if result.test is None else {**table, "test": result.test}


def spread(scores: Sequence[Scores]) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over seeds (of a sample; 0 for one seed)."""
    values = {name: [s[name] for s in scores] for name in scores[0]}
    return {
        name: {"mean": float(np.mean(v)), "std": float(np.std(v, ddof=1)) if len(v) > 1 else 0.0}
        for name, v in values.items()
    }


def prediction_lines(data: TaskData, logits_NC: Tensor, labels: Sequence[str]) -> Iterator[str]:
    """Return the lines of predictions-….jsonl."""
    counts = [len(data.positions(row)) for row in range(len(data))]
    for row, logits in zip(data.rows, logits_NC.split(counts)):
        value: dict[str, object] = {"row": row.where}
        if row.label is not None:
            value["label"] = row.label
        value |= _prediction(row, logits, labels)
        yield json.dumps(value, ensure_ascii=False) + "\n"


def _prediction(row: TaskRow, logits_NC: Tensor, labels: Sequence[str]) -> dict[str, object]:
    """Return a label and its probability, a number, or a tag per word (None if it was cut off)."""
    if not labels:
        return {"prediction": round(logits_NC[0, 0].item(), 6)}
    guesses = [labels[i] for i in logits_NC.argmax(dim=1).tolist()]
    if isinstance(row.text, tuple):
        return {"prediction": guesses + [None] * (len(row.text) - len(guesses))}
    probability = logits_NC[0].softmax(dim=0).max().item()
    return {"prediction": guesses[0], "probability": round(probability, 6)}


def _prefixed(prefix: str, scores: Scores) -> Scores:
    return {f"{prefix}_{name}": value for name, value in scores.items()}


def to_lines(summary: Table) -> Iterator[str]:
    """Format the best epochs: one line per seed, mean and deviation over seeds below."""
    for split in ("validation", "test"):
        if split not in summary:
            continue
        names = list(summary[split])
        yield f"{split:<12}" + "".join(f"{name:>12}" for name in names)
        for seed in summary["seeds"]:
            cells = "".join(f"{seed[split][name]:12.4f}" for name in names)
            yield f"{'seed ' + str(seed['seed']):<12}{cells}"
        if len(summary["seeds"]) > 1:
            for kind in ("mean", "std"):
                cells = "".join(f"{summary[split][name][kind]:12.4f}" for name in names)
                yield f"{kind:<12}{cells}"
