"""Does memory stay, and does cost grow as the text does? The job on 1, 4 and 16 times the text."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from bertdata.storage.writing import write_text
from flows.paths import RunPaths
from flows.views.report.figures import Curve, draw_curves
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
    figures = {
        workers: (_draw_costs(scales, workers), _draw_memory(scales, workers))
        for workers, scales in scales_by_workers.items()
    }
    loader = jinja2.PackageLoader("flows.views.report")
    template = jinja2.Environment(loader=loader, autoescape=True).from_string(_PAGE)
    write_text(path, template.render(figures=figures))


def _draw_costs(scales: Sequence[Scale], workers: int) -> Markup:
    lines = [
        [(megabytes(size), costs[stage].cpu_seconds) for size, costs in scales] for stage in STAGES
    ]
    return _draw(lines, f"cost-{workers}", "core-seconds")


def _draw_memory(scales: Sequence[Scale], workers: int) -> Markup:
    lines = [
        [(megabytes(size), megabytes(costs[stage].largest_peak)) for size, costs in scales]
        for stage in STAGES
    ]
    return _draw(lines, f"memory-{workers}", "MB")


def _draw(lines: Sequence[Sequence[tuple[float, float]]], name: str, y_title: str) -> Markup:
    curves = [
        Curve(name=stage, style=style, points=points, dots=True)
        for stage, style, points in zip(STAGES, ("first", "second", "mark"), lines)
    ]
    return draw_curves(
        curves, name, x_title="MB of text", y_title=y_title, label=f"{y_title} by MB of text"
    )


_PAGE = """\
{% import "macros.html" as m %}
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Scaling of the job</title><style>{% include "style.css" %}</style></head>
<body>
<h1>Scaling of the job</h1>
{% for workers, (cost, memory) in figures.items() %}
<h2>{{ workers }} workers</h2>
<div class="figures">
{{ m.figure(cost, "Cost by stage: straight lines grow as the text.") }}
{{ m.figure(memory, "Peak memory of the largest process, by stage.") }}
</div>
{% endfor %}
</body>
</html>
"""
