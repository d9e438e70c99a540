"""The picture of the loss: an image that a browser can show, or none."""

from __future__ import annotations

import base64
from pathlib import Path
from xml.etree import ElementTree

from flows.finished import FinishedRun, Results
from flows.pages.picture import draw_loss
from flows.paths import RunPaths


def run_with(*metrics: dict[str, float | None], unigram: float | None = None) -> FinishedRun:
    return FinishedRun(
        paths=RunPaths(Path("run")),
        sentences=None,
        vocab=None,
        examples=None,
        model=None,
        results=Results(unigram_loss=unigram),
        metrics=metrics,
    )


def test_it_holds_itself() -> None:
    lines = [{"step": step, "mlm_loss": 5.0 / step} for step in (1, 2, 3)]
    last = {"step": 3, "validation_mlm_loss": 2.0}
    kind, _, data = draw_loss(run_with(*lines, last, unigram=4.0)).partition(",")
    assert kind == "data:image/svg+xml;base64"
    svg = ElementTree.fromstring(base64.b64decode(data))
    assert svg.tag.endswith("svg")
    assert len(data) < 60_000


def test_without_steps_there_is_none() -> None:
    assert draw_loss(run_with()) == ""
    assert draw_loss(run_with({"step": 1, "mlm_loss": None})) == ""
