"""The training of a run: its curves, its results, and what was fine-tuned from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bertdata.config import Table
from bertdata.errors import DataError
from bertdata.storage.files import is_file, list_folders, read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from flows.finished import FinishedRun, Results, nsp_baseline
from flows.views.summary import too_few
from flows.wording import number, percent

_MAX_POINTS = 300
_STAGES = ("sentences", "punkt", "vocab", "examples", "model")
_NAMES = {
    "mlm_loss": "MLM loss, nats",
    "mlm_loss_error": "its standard error, over documents",
    "unigram_loss": "MLM loss of the training pieces' frequencies alone, nats",
    "unigram_loss_error": "its standard error",
    "below_unigram": "nats below that",
    "below_unigram_error": "its standard error",
    "is_reliable": "enough validation pieces",
    "validation_pieces": "validation pieces predicted",
    "validation_documents": "validation documents",
    "unigram_entropy": "entropy of the validation pieces themselves, nats",
    "mlm_accuracy": "MLM accuracy",
    "nsp_accuracy": "NSP accuracy",
    "steps": "steps",
    "exported_step": "step exported",
    "tokens": "pieces trained on",
    "parameters": "parameters",
}

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """Scores of a fine-tuning. `validation`, `test`: name to (mean, deviation over seeds)."""

    name: str
    task: str
    rows: str
    seeds: int
    finished: bool
    validation: Mapping[str, tuple[float, float]]
    test: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFacts:
    """`model/`. `losses`, `validation_losses`, `speeds`, …: (step, value), at most some hundred.

    `unigram_loss`: None if it was not measured. `results`: names and values in words. `warning`:
    "" if there are enough validation pieces.
    """

    losses: tuple[Point, ...]
    validation_losses: tuple[Point, ...]
    unigram_loss: float | None
    speeds: tuple[Point, ...]
    accuracies: tuple[Point, ...]
    nsp_accuracies: tuple[Point, ...]
    results: tuple[tuple[str, str], ...]
    warning: str


def describe_training(run: FinishedRun) -> TrainingFacts:
    """The facts of `model/`, also of a training under way."""
    results = run.results or Results()
    is_unsure = not results.is_reliable and results.mlm_loss is not None
    return TrainingFacts(
        losses=tuple(_curve(run, "mlm_loss")),
        validation_losses=tuple(_validation_losses(run, results)),
        unigram_loss=results.unigram_loss,
        speeds=tuple(_curve(run, "tokens_per_second")),
        accuracies=tuple(_curve(run, "mlm_accuracy")),
        nsp_accuracies=tuple(_curve(run, "nsp_accuracy")),
        results=tuple(_result_rows(results, nsp_baseline(run))),
        warning=f"There are {too_few(results)}: raise [examples] validation_fraction."
        if is_unsure
        else "",
    )


def find_finetunings(output: Location) -> Iterator[FineTuning]:
    """The fine-tunings in folders of the run's folder, and in folders of these."""
    for name in list_folders(output):
        if name.startswith(".") or name in _STAGES:
            continue
        for inner in ("", *list_folders(output / name)):
            path = f"{name}/{inner}" if inner else name
            if (table := _read_finetuning(output / path / "results.json")) is not None:
                yield _describe_finetuning(output / path, path, table)


def _read_finetuning(path: Location) -> Table | None:
    """What a fine-tuning wrote; None for anything else."""
    try:
        table = json.loads(read_bytes(path)) if is_file(path) else None
    except ValueError:
        return None
    is_one = isinstance(table, dict) and table.get("format") == "bertdata-finetuned"
    return table if is_one else None


def _describe_finetuning(folder: Location, name: str, table: Table) -> FineTuning:
    try:
        return _parse_finetuning(name, table)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        where = folder / "results.json"
        raise DataError(f"{where} is damaged: {first_line(error)}; fine-tune again") from error


def _parse_finetuning(name: str, table: Table) -> FineTuning:
    rows = ", ".join(f"{number(count)} {split}" for split, count in table["rows"].items())
    return FineTuning(
        name=name,
        task=str(table["config"].get("task", "")),
        rows=rows,
        seeds=len(table["seeds"]),
        finished=bool(table.get("finished", True)),
        validation=_spread(table["validation"]),
        test=_spread(table.get("test", {})),
    )


def _spread(scores: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    return {name: (float(found["mean"]), float(found["std"])) for name, found in scores.items()}


def _validation_losses(run: FinishedRun, results: Results) -> Iterator[Point]:
    found = _points(run.metrics, "validation_mlm_loss")
    yield from _thin(found)
    exported = results.exported_step or results.steps or 0
    if results.mlm_loss is not None and exported not in {step for step, _ in found}:
        yield exported, results.mlm_loss


def _curve(run: FinishedRun, key: str) -> Sequence[Point]:
    return _thin(_points(run.metrics, key))


def _thin(points: Sequence[Point]) -> Sequence[Point]:
    """At most a few hundred points: means of neighbours."""
    size = -(-len(points) // _MAX_POINTS)
    if size <= 1:
        return points
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _points(metrics: Sequence[Mapping[str, float | None]], key: str) -> list[Point]:
    points = ((line["step"], line.get(key)) for line in metrics)
    return [(step, value) for step, value in points if step is not None and value is not None]


def _result_rows(results: Results, baseline: float | None) -> Iterator[tuple[str, str]]:
    for key, value in results.table.items():
        if value is None:
            continue
        text = _result_text(key, value)
        if key == "nsp_accuracy" and baseline is not None:
            text += f" (always the same answer: {percent(baseline)})"
        yield _NAMES.get(key, key), text


def _result_text(key: str, value: object) -> str:
    if isinstance(value, float) and key.endswith("accuracy"):
        return percent(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int) else json.dumps(value)
