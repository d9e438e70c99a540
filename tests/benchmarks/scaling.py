"""Does memory stay, and does cost grow as the text does? The job on 1, 4 and 16 times the text."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.views.report_html import figure, page, plots, section
from flows.views.report_plots import Axis, Series, line_plot

from bertdata.storage.writing import write_text
from flows.paths import RunPaths
from tests.benchmarks.corpus import CorpusFile, take_files
from tests.benchmarks.job import describe_memory, make_config, run_stage
from tests.benchmarks.measure import Cost
from tests.benchmarks.tables import Table, megabytes

STAGES = ("sentences", "vocab", "examples")
Scale = tuple[int, dict[str, Cost]]


def run_scaling(
    files: Sequence[CorpusFile],
    sizes: Sequence[int],
    folder: Path,
    *,
    workers: int,
    vocabulary_size: int,
) -> list[Scale]:
    """The stages for the first so many bytes of text each; (bytes of text, cost by stage)."""
    scales = []
    for size in sizes:
        taken = take_files(files, size)
        paths = RunPaths(folder / f"{size}-{workers}")
        config = make_config(taken, workers=workers, vocabulary_size=vocabulary_size)
        costs = {stage: run_stage(stage, config, paths) for stage in STAGES}
        shutil.rmtree(paths.output)
        scales.append((sum(file.text_bytes for file in taken), costs))
    return scales


def scaling_table(scales: Sequence[Scale], workers: int) -> Table:
    """A row for each size and stage."""
    first = scales[0][1]
    rows = tuple(
        {
            "text, MB": megabytes(text_bytes),
            "stage": stage,
            "core-s": cost.cpu_seconds,
            "core-s/MB": cost.cpu_seconds / megabytes(text_bytes),
            "seconds": cost.wall_seconds,
            "peak, MB": megabytes(cost.largest_peak),
            "to the first": cost.largest_peak / max(1, first[stage].largest_peak),
            "processes, MB": describe_memory(cost.peaks),
        }
        for text_bytes, costs in scales
        for stage, cost in costs.items()
    )
    return Table(
        title=f"Scaling, {workers} workers",
        rows=rows,
        note="Peak: of the process that does most; private memory in brackets.",
    )


def write_plots(path: Path, scales_by_workers: Mapping[int, Sequence[Scale]]) -> None:
    """Two plots for each number of workers on one HTML page: core-seconds and memory."""
    sections = [
        section(f"{workers} workers", plots([_cost_plot(scales), _memory_plot(scales)]))
        for workers, scales in scales_by_workers.items()
    ]
    write_text(path, page("Scaling of the job", sections))


def _cost_plot(scales: Sequence[Scale]):  # type: ignore[no-untyped-def]
    lines = [
        [(megabytes(size), costs[stage].cpu_seconds) for size, costs in scales] for stage in STAGES
    ]
    return figure(_plot(lines, "core-seconds"), "Cost by stage: straight lines grow as the text.")


def _memory_plot(scales: Sequence[Scale]):  # type: ignore[no-untyped-def]
    lines = [
        [(megabytes(size), megabytes(costs[stage].largest_peak)) for size, costs in scales]
        for stage in STAGES
    ]
    return figure(_plot(lines, "MB"), "Peak memory of the largest process, by stage.")


def _plot(lines, y_title: str):  # type: ignore[no-untyped-def]
    series = [
        Series(name=stage, color=color, points=points, dots=True)
        for stage, color, points in zip(STAGES, ("first", "second", "mark"), lines)
    ]
    return line_plot(
        series, x_axis=Axis(title="MB of text"), y_axis=Axis(title=y_title), label=y_title
    )
