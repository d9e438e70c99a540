"""Small pipelines in this process, and what comes out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apache_beam as beam

from pipelines.options import RunnerConfig
from pipelines.runners import beam_options, open_runner

_seen: list[Any] = []


def collect(
    build: Callable[[beam.Pipeline], beam.PCollection[Any]], runner: RunnerConfig | None = None
) -> list[Any]:
    """The elements of the collection that `build` makes, in no order."""
    _seen.clear()
    config = runner or RunnerConfig(workers=1)
    with open_runner(config) as beam_runner:
        pipeline = beam.Pipeline(beam_runner, beam_options(config))
        _ = build(pipeline) | "Collect" >> beam.Map(_note)
        pipeline.run().wait_until_finish()
    return list(_seen)


def _note(element: Any) -> None:
    _seen.append(element)
