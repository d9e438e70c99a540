"""Units of work and what does them in a process, whichever runner hands them out.

Text never crosses a stage of a pipeline, as whatever does lives in the driver's memory: a unit
names files to read, its worker writes files, and only names and counts come back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bertdata.config import Table
from bertdata.errors import BertdataError, MemoryUsedUpError
from pipelines.progress import (
    StagePlan,
    UnitRecord,
    has_failed,
    read_records,
    take_unit,
    write_failure,
    write_record,
)

Unit = Table
WorkOnUnit = Callable[[Unit], UnitRecord]
OpenWorker = Callable[[Path, Table], WorkOnUnit]

NO_MEMORY = (
    "a worker needs more memory than there is; lower [runner] workers, or "
    "[[corpus]] max_document_bytes if a document is very long"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Units of work that may be done in any order, once the rounds before them are through.

    `plan`: names the units and the folder of their records. `number`: of rounds that work on the
    same units one after the other, and replace their records, which this is.
    """

    plan: StagePlan
    open_worker: OpenWorker
    number: int = 0

    def read_records(self) -> dict[int, UnitRecord]:
        """Records of the units that went through."""
        return read_records(self.plan.path, self.number)

    def units_left(self) -> list[Unit]:
        """The units without one."""
        done = self.read_records()
        return [dict(unit) for unit in self.plan.units if unit["unit"] not in done]


class UnitWorker:
    """Does units of a round and leaves their records on disk; one done twice leaves the same.

    `failures`: the folder that errors of the user's making are noted in: raised, they reach the
    driver of a pipeline as text, in the midst of a traceback. That is left for a full disk. After a
    failure nothing new is begun.

    A record waits for the disk; meanwhile the next unit is done.
    """

    def __init__(self, round_: Round, failures: Path) -> None:
        self._round = round_
        self._folder = round_.plan.path
        self._failures = failures
        self._work: WorkOnUnit | None = None
        self._recorder = ThreadPoolExecutor(1)
        self._recording: tuple[int, Future[None]] | None = None

    def open(self) -> None:
        """Load what the units need."""
        self._work = self._round.open_worker(self._folder, self._round.plan.spec)

    def take_units(self, units: Iterable[Unit]) -> None:
        """Do those that no worker of this machine took."""
        for unit in units:
            if take_unit(self._folder, unit["unit"], self._round.number):
                self.run(unit)

    def run(self, unit: Unit) -> None:
        """Do a unit; its record may still wait for the disk."""
        if has_failed(self._failures):
            return
        number = unit["unit"]
        with self._noted(number):
            if self._work is None:
                self.open()
            assert self._work is not None
            record = self._work(unit)
            self.wait()
            recording = self._recorder.submit(write_record, self._folder, record)
            self._recording = number, recording

    def wait(self) -> None:
        """Wait until the last record is on disk."""
        if self._recording is not None:
            (number, recording), self._recording = self._recording, None
            with self._noted(number):
                recording.result()

    def close(self) -> None:
        """End its thread."""
        self._recorder.shutdown()

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


_prepared: dict[tuple[Path, int], UnitWorker] = {}


def prepare_worker(round_: Round, failures: Path) -> None:
    """Open this process's worker before its first unit comes, which meets what goes wrong."""
    worker = UnitWorker(round_, failures)
    with contextlib.suppress(Exception):
        worker.open()
        _prepared[round_.plan.path, round_.number] = worker


def take_worker(round_: Round, failures: Path) -> UnitWorker:
    """What was prepared in this process for a round, else a new one."""
    prepared = _prepared.pop((round_.plan.path, round_.number), None)
    return prepared or UnitWorker(round_, failures)
