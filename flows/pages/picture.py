"""The loss of a training as a picture inside a text of Prefect's pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

from flows.finished import FinishedRun, Results

_INCHES = (7.0, 3.0)
_CURVES = {
    "mlm_loss": "training",
    "validation_mlm_loss": "validation",
}


def draw_loss(run: FinishedRun) -> str:
    """The address of the picture, which holds all of it; "" if there is nothing to draw."""
    curves = {name: _points(run.metrics, key) for key, name in _CURVES.items()}
    results = run.results or Results()
    if results.mlm_loss is not None and results.exported_step is not None:
        curves["exported model, validation"] = [(results.exported_step, results.mlm_loss)]
    if not any(curves.values()):
        return ""
    svg = _draw(curves, results.unigram_loss)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _draw(curves: Mapping[str, Sequence[tuple[float, float]]], unigram: float | None) -> bytes:
    # Only a server with pages needs it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="MLM loss, nats")
    for name, points in curves.items():
        if points:
            axes.plot(*zip(*points), label=name, marker="o" if len(points) == 1 else "")
    if unigram is not None:
        axes.axhline(unigram, label="frequencies of pieces", color="gray", linestyle="--")
    axes.legend()
    written = io.BytesIO()
    figure.savefig(written, format="svg")
    return written.getvalue()


def _points(metrics: Sequence[Mapping[str, float | None]], key: str) -> list[tuple[float, float]]:
    found = [(line["step"], line.get(key)) for line in metrics]
    return [(step, loss) for step, loss in found if step is not None and loss is not None]
