"""What a run costs before it does anything: a corpus of 20 KB, and `bertdata --help`."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.paths import RunPaths
from tests.benchmarks.corpus import CorpusFile, write_corpus
from tests.benchmarks.job import make_config, run_stage
from tests.benchmarks.measure import Cost, add_costs, cost_of_children
from tests.benchmarks.tables import Row, Table

TEXT_BYTES = 20_000
VOCABULARY_SIZE = 500
HELP_RUNS = 5

STAGES = ("sentences", "vocab", "examples")


def run_fixed(folder: Path, workers: Sequence[int]) -> Table:
    """Seconds of each stage on next to no text, and of the help."""
    files = write_corpus(folder / "texts", TEXT_BYTES)
    rows = [row for number in workers for row in _stage_rows(files, folder, number)]
    rows.append(_help_row())
    return Table(
        title="Fixed costs (20 KB of text)",
        rows=tuple(rows),
        note="Wanted: under 5 s for all stages together, --help under 0.5 s.",
    )


def _stage_rows(files: Sequence[CorpusFile], folder: Path, workers: int) -> list[Row]:
    paths = _paths(folder, workers)
    config = _config(files, workers)
    costs = {stage: run_stage(stage, config, paths) for stage in STAGES}
    costs["all stages"] = add_costs(*costs.values())
    return [_row(stage, cost, workers) for stage, cost in costs.items()]


def _help_row() -> Row:
    costs = [_command("--help") for _ in range(HELP_RUNS)]
    median = statistics.median(cost.wall_seconds for cost in costs)
    cpu = statistics.median(cost.cpu_seconds for cost in costs)
    return _row("bertdata --help (median)", Cost(wall_seconds=median, cpu_seconds=cpu))


def _command(*arguments: str) -> Cost:
    command = [sys.executable, "-m", "flows", *arguments]
    return cost_of_children(lambda: subprocess.run(command, capture_output=True, check=True))[1]


def _paths(folder: Path, workers: int) -> RunPaths:
    return RunPaths(folder / f"fixed-{workers}")


def _config(files: Sequence[CorpusFile], workers: int):  # type: ignore[no-untyped-def]
    return make_config(files, workers=workers, vocabulary_size=VOCABULARY_SIZE, num_shards=4)


def _row(what: str, cost: Cost, workers: int | None = None) -> Row:
    return {
        "what": what,
        "workers": workers,
        "seconds": cost.wall_seconds,
        "core-s": cost.cpu_seconds,
    }
