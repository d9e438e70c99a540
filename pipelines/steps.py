"""What the steps of all pipelines have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import AsList, PCollection
from apache_beam.typehints.decorators import no_annotations

from bertdata.config import Table
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest, write_manifest


class Step(beam.DoFn):
    """A function from an element to several, as a step of a pipeline.

    It begins nothing new once work failed anywhere, and notes why its own work failed, for the
    driver: an exception reaches that one as text, and only when all other bundles are done.
    """

    def __init__(
        self, function: Callable[..., Iterable[Any]], workplace: Workplace, *arguments: Any
    ) -> None:
        self._function = function
        self._workplace = workplace
        self._arguments = arguments

    def setup(self) -> None:
        with self._workplace.noting_failure():
            self._workplace.check_versions()

    @no_annotations
    def process(self, element: Any, *sides: Any) -> Iterator[Any]:
        with self._workplace.noting_failure():
            self._workplace.check_others()
            yield from self._function(element, *self._arguments, *sides)


@dataclass(eq=False)
class WriteManifest(beam.PTransform):
    """The last step of every pipeline: all records to `manifest.json`.

    It waits until they are all there, and works on a worker: so a stage is complete also where the
    driver is gone. `finish`: from all records, in order, to the manifest; `done`: the records of an
    earlier run; `others`: what else has to be there, which `finish` gets as lists.
    """

    workplace: Workplace
    finish: Callable[..., Manifest]
    done: Sequence[FileRecord] = ()
    others: Sequence[PCollection[Any]] = ()

    def expand(self, records: PCollection[FileRecord]) -> PCollection[str]:
        place = self.workplace
        step = Step(_write_manifest, place, place.stage_folder, self.finish, self.done)
        begin = records.pipeline | "All" >> beam.Impulse()
        return begin | "Write" >> beam.ParDo(step, AsList(records), *map(AsList, self.others))


def _write_manifest(
    _: bytes,
    folder: Location,
    finish: Callable[..., Manifest],
    done: Sequence[FileRecord],
    records: Sequence[FileRecord],
    *others: Sequence[Any],
) -> Iterator[str]:
    # A record comes twice where work was done twice.
    by_number = {record.number: record for record in (*done, *records)}
    manifest = finish([by_number[number] for number in sorted(by_number)], *others)
    write_manifest(folder, manifest)
    yield manifest.content_sha256


def count(counts: Table) -> None:
    """Add counts to Beam's metrics, which a cluster's own pages show."""
    for name, value in counts.items():
        if isinstance(value, dict):
            count({f"{name}:{key}": found for key, found in value.items()})
        elif isinstance(value, int):
            Metrics.counter("bertdata", name).inc(value)
