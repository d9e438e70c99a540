"""What every job is made of: rounds of units of work, done wherever the runner likes.

Text never crosses a stage of the pipeline, as whatever does lives in the driver's memory: a unit
names files to read, its worker writes files, and only names and counts come back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
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
_prepared: dict[Path, WorkOnUnit] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Units of work that may be done in any order, once the rounds before them are through.

    `plan`: names the units and the folder of their records, which each round has for itself.
    """

    plan: StagePlan
    open_worker: OpenWorker

    def prepare(self) -> None:
        """Open this process's worker before its first unit comes, which meets what goes wrong."""
        with contextlib.suppress(Exception):
            _prepared[self.plan.path] = self._open()

    def take_worker(self) -> WorkOnUnit:
        """The function that does the units: what was prepared, or one opened now."""
        return _prepared.pop(self.plan.path, None) or self._open()

    def _open(self) -> WorkOnUnit:
        return self.open_worker(self.plan.path, self.plan.spec)


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
    """Does units and leaves their records on disk; a unit that ran twice leaves the same one.

    Gives the numbers of the next round's elements, of which there are `next_width`.

    An error of the user's making goes to disk too, and stops the units after it: raised here, it
    reaches the driver as text, in the midst of a traceback. That is left for a full disk.

    A record waits for the disk; meanwhile the next unit is done.
    """

    def __init__(
        self, round_: Round, units: Sequence[Unit], failures: Path, seats: int, next_width: int
    ) -> None:
        # Nothing is sent to workers that they do not need.
        plan = replace(round_.plan, units=tuple(units), config={}, inputs={})
        self._round = replace(round_, plan=plan)
        self._folder = plan.path
        self._failures = failures
        self._seats = seats
        self._next_width = next_width
        self._work: WorkOnUnit | None = None
        self._recording: Future[None] | None = None
        self._finished = Metrics.counter("bertdata", "units")

    def setup(self) -> None:
        self._recorder = ThreadPoolExecutor(1)

    def teardown(self) -> None:
        self._recorder.shutdown()

    def process(self, keyed: tuple[int, Iterable[None]]) -> Iterator[tuple[int, None]]:
        number, _ = keyed
        units = self._round.plan.units
        for unit in units if self._seats else [units[number]]:
            if not self._seats or take_unit(self._folder, unit["unit"]):
                self._run(unit)
        with self._noted(number):
            self._wait()
        for follower in range(number, self._next_width, self._seats or len(units)):
            yield follower, None

    def _run(self, unit: Unit) -> None:
        if has_failed(self._failures):
            return
        with self._noted(unit["unit"]):
            if self._work is None:
                self._work = self._round.take_worker()
            record = self._work(unit)
            self._wait()
            self._recording = self._recorder.submit(write_record, self._folder, record)

    def _wait(self) -> None:
        """Wait until the last record is on disk."""
        if self._recording is not None:
            recording, self._recording = self._recording, None
            recording.result()
            self._finished.inc()

    @contextlib.contextmanager
    def _noted(self, unit: int) -> Iterator[None]:
        try:
            yield
        except BertdataError as error:
            self._note(unit, error)
        except MemoryError:
            self._note(unit, MemoryUsedUpError(NO_MEMORY))

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
