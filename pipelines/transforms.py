"""The one transform that every job is made of: run units of work, wherever the runner likes.

Text never crosses a stage of the pipeline, as whatever does lives in the driver's memory: a unit
names files to read, its worker writes files, and only names and counts come back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from bertdata.errors import BertdataError, MemoryUsedUpError
from pipelines.progress import UnitRecord, error_named, has_failed, write_failure, write_record

Unit = Mapping[str, Any]
WorkOnUnit = Callable[[Unit], UnitRecord]
NO_MEMORY = (
    "a worker needs more memory than there is; set [runner] workers lower, or "
    "[[corpus]] max_document_bytes where a document is very long"
)
_ERROR_IN_TEXT = re.compile(
    r"^(?:RuntimeError: )?bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)

OpenWorker = Callable[[Path, Mapping[str, Any]], WorkOnUnit]


class RunUnits(beam.PTransform[Any, Any]):
    """Units in, numbers of finished units out.

    `open_worker(folder, spec)`, called once a worker, gives the function that does a unit.
    """

    def __init__(self, open_worker: OpenWorker, folder: Path, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self._run = _RunUnit(open_worker, folder, spec)

    def expand(self, units: PCollection[Unit]) -> PCollection[int]:
        spread = units | "Spread over workers" >> beam.Reshuffle()
        done: PCollection[int] = spread | "Run" >> beam.ParDo(self._run).with_output_types(int)
        return done


class _RunUnit(beam.DoFn):
    """Does a unit and leaves its record on disk; a unit that ran twice leaves the same one.

    An error of the user's making goes to disk too, and stops the units after it: raised here, it
    reaches the driver as text, in the midst of a traceback. That is left for a full disk.
    """

    def __init__(self, open_worker: OpenWorker, folder: Path, spec: Mapping[str, Any]) -> None:
        self._open_worker = open_worker
        self._folder = folder
        self._spec = spec
        self._work: WorkOnUnit | None = None
        self._finished = Metrics.counter("bertdata", "units")

    def process(self, unit: Unit) -> Iterator[int]:
        if has_failed(self._folder):
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
        yield unit["unit"]

    def _note(self, unit: int, error: BertdataError) -> None:
        try:
            write_failure(self._folder, unit, error)
        except BertdataError:
            raise error from None


def find_error(raised: BaseException) -> BertdataError | None:
    """The error of bertdata's own that a runner made the text of another error, if it did."""
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None
