"""What every job is made of in Beam: rounds of units of work, done wherever the runner likes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.runners.worker import statesampler

from bertdata.errors import BertdataError
from pipelines.progress import error_named
from pipelines.units import Round, Unit, UnitWorker, take_worker

_ERROR_IN_TEXT = re.compile(
    r"^(?:RuntimeError: )?bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)

_SAMPLING_PERIOD_MS = 10


class RunRounds(beam.PTransform[Any, Any]):
    """Rounds of units, one round after the other.

    `rounds`: each with its units, one at least. `failures`: the folder that failures are noted in;
    after one nothing new is begun. `seats`: of workers on this machine that take what comes next
    of all units, so none waits while others have work; 0: each unit goes its own way.

    Grouping is all there is between rounds: it spreads elements, and nothing is grouped before all
    is there. Every step of a pipeline takes milliseconds to set up.
    """

    def __init__(
        self, rounds: Sequence[tuple[Round, Sequence[Unit]]], failures: Path, seats: int
    ) -> None:
        super().__init__()
        self._rounds = rounds
        self._failures = failures
        self._seats = seats

    def expand(self, pipeline: beam.Pipeline) -> PCollection[tuple[int, None]]:
        widths = [self._seats or len(units) for _, units in self._rounds]
        numbers = [(number, None) for number in range(widths[0])]
        ready: PCollection[tuple[int, None]] = (
            pipeline | beam.Impulse() | "Start" >> beam.FlatMap(lambda _: numbers)
        )
        for (round_, units), next_width in zip(self._rounds, [*widths[1:], 0]):
            work = _RunUnits(round_, units, self._failures, self._seats, next_width)
            name = round_.plan.stage
            spread = ready | f"Spread {name}" >> beam.GroupByKey()
            ready = spread | f"Make {name}" >> beam.ParDo(work)
        return ready


class _RunUnits(beam.DoFn):
    """Does units; gives the numbers of the next round's elements: there are `next_width`."""

    def __init__(
        self, round_: Round, units: Sequence[Unit], failures: Path, seats: int, next_width: int
    ) -> None:
        # Nothing is sent to workers that they do not need.
        plan = replace(round_.plan, units=tuple(units), config={}, inputs={})
        self._round = replace(round_, plan=plan)
        self._failures = failures
        self._seats = seats
        self._next_width = next_width
        self._worker: UnitWorker | None = None

    def process(self, keyed: tuple[int, Iterable[None]]) -> Iterator[tuple[int, None]]:
        number, _ = keyed
        units = self._round.plan.units
        worker = self._worker = self._worker or take_worker(self._round, self._failures)
        if self._seats:
            worker.take_units(units)
        else:
            worker.run(units[number])
        worker.wait()
        for follower in range(number, self._next_width, self._seats or len(units)):
            yield follower, None

    def teardown(self) -> None:
        if self._worker is not None:
            self._worker.close()


def sample_states_often() -> None:
    """Let no bundle end late: Beam waits there for its sampler of states, which sleeps 0.2 s."""
    defaults = statesampler.StateSampler.__init__.__defaults__
    if defaults == (statesampler.DEFAULT_SAMPLING_PERIOD_MS,):
        statesampler.StateSampler.__init__.__defaults__ = (_SAMPLING_PERIOD_MS,)


def find_error(raised: BaseException) -> BertdataError | None:
    """The error of bertdata's own that a runner made the text of another error, if it did."""
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None
