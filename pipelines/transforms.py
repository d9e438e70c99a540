"""What every job is made of: rounds of units of work, done wherever the runner likes.

Text never crosses a stage of the pipeline, as whatever does lives in the driver's memory: a unit
names files to read, its worker writes files, and only names and counts come back.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection
from apache_beam.runners.worker import statesampler

from bertdata.errors import BertdataError, MemoryUsedUpError
from pipelines.progress import (
    StagePlan,
    UnitRecord,
    error_named,
    has_failed,
    take_unit,
    write_failure,
    write_record,
)

Unit = Mapping[str, Any]
WorkOnUnit = Callable[[Unit], UnitRecord]
NO_MEMORY = (
    "a worker needs more memory than there is; set [runner] workers lower, or "
    "[[corpus]] max_document_bytes where a document is very long"
)
_ERROR_IN_TEXT = re.compile(
    r"^(?:RuntimeError: )?bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)

_SAMPLING_PERIOD_MS = 10

OpenWorker = Callable[[Path, Mapping[str, Any]], WorkOnUnit]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Units of work that may be done in any order, once the rounds before them are through.

    `plan`: names the units and the folder of their records, which each round has for itself.
    """

    plan: StagePlan
    open_worker: OpenWorker


class RunRounds(beam.PTransform[Any, Any]):
    """Rounds of units, one round after the other; numbers of units out, done in the last round.

    `rounds`: each with its units, one at least. `failures`: the folder that failures are noted in;
    after one nothing new is begun. `seats`: of workers on this machine that take what comes next
    of all units, so none waits while others have work; 0: each unit goes its own way.

    Elements are spread by grouping alone: of Beam's ways the one with the fewest steps, each of
    which takes milliseconds to set up.
    """

    def __init__(
        self, rounds: Sequence[tuple[Round, Sequence[Unit]]], failures: Path, seats: int
    ) -> None:
        super().__init__()
        self._rounds = rounds
        self._failures = failures
        self._seats = seats

    def expand(self, pipeline: beam.Pipeline) -> PCollection[tuple[None, int]]:
        done: PCollection[tuple[None, int]] = pipeline | "Start" >> beam.Create(
            [(None, 0)], reshuffle=False
        )
        for round_, units in self._rounds:
            name = round_.plan.stage
            shares = list(enumerate(self._share(units)))
            all_done = done | f"Wait before {name}" >> beam.GroupByKey()
            todo = all_done | f"Plan {name}" >> beam.FlatMap(lambda _, shares: shares, shares)
            spread = todo | f"Spread {name}" >> beam.GroupByKey()
            work = _RunUnits(round_, self._failures, takes_next=self._seats > 0)
            done = spread | f"Make {name}" >> beam.ParDo(work)
        return done

    def _share(self, units: Sequence[Unit]) -> list[list[Unit]]:
        """What each element of a round is."""
        return [[*units]] * self._seats or [[unit] for unit in units]


class _RunUnits(beam.DoFn):
    """Does units and leaves their records on disk; a unit that ran twice leaves the same one.

    An error of the user's making goes to disk too, and stops the units after it: raised here, it
    reaches the driver as text, in the midst of a traceback. That is left for a full disk.
    """

    def __init__(self, round_: Round, failures: Path, takes_next: bool) -> None:
        self._takes_next = takes_next
        self._open_worker = round_.open_worker
        self._folder = round_.plan.path
        self._spec = round_.plan.spec
        self._failures = failures
        self._work: WorkOnUnit | None = None
        self._finished = Metrics.counter("bertdata", "units")

    def process(self, keyed: tuple[int, Iterable[list[Unit]]]) -> Iterator[tuple[None, int]]:
        for unit in itertools.chain.from_iterable(keyed[1]):
            if not self._takes_next or take_unit(self._folder, unit["unit"]):
                yield from self._run(unit)

    def _run(self, unit: Unit) -> Iterator[tuple[None, int]]:
        if has_failed(self._failures):
            return
        try:
            if self._work is None:
                self._work = self._open_worker(self._folder, self._spec)
            write_record(self._folder, self._work(unit))
        except BertdataError as error:
            self._note(unit["unit"], error)
            return
        except MemoryError:
            self._note(unit["unit"], MemoryUsedUpError(NO_MEMORY))
            return
        self._finished.inc()
        yield None, unit["unit"]

    def _note(self, unit: int, error: BertdataError) -> None:
        try:
            write_failure(self._failures, unit, error)
        except BertdataError:
            raise error from None


def sample_states_often() -> None:
    """Let no bundle end late: Beam waits there for its sampler of states, which sleeps 0.2 s."""
    defaults = statesampler.StateSampler.__init__.__defaults__
    if defaults == (statesampler.DEFAULT_SAMPLING_PERIOD_MS,):
        statesampler.StateSampler.__init__.__defaults__ = (_SAMPLING_PERIOD_MS,)


def find_error(raised: BaseException) -> BertdataError | None:
    """The error of bertdata's own that a runner made the text of another error, if it did."""
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None
