"""Arrow tables as the elements of pipelines, and how they are gathered by a key.

Beam's own grouping moves one row at a time and, on the embedded runner, holds all of it in the
driver. Here a table moves as a whole, and where there is a folder that all workers see, tables wait
in files of that folder: only their names go through the runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import AsList, PCollection

from bertdata.progress.runs import (
    Grouped,
    as_runs,
    decode_table,
    encode_table,
    gather_runs,
    open_run,
    split_table,
    write_run,
)
from bertdata.storage.locations import Location

_NOTHING = "nothing"  # the tag of no rows

_Tagged = tuple[int, tuple[str, pa.Table]]  # a key, and a tag with rows of that key


class _TableCoder(Coder):
    """An Arrow table as an IPC stream."""

    def encode(self, value: pa.Table) -> bytes:
        return encode_table(value)

    def decode(self, encoded: bytes) -> pa.Table:
        return decode_table(encoded)

    def estimate_size(self, value: pa.Table) -> int:
        """The size in memory: Beam would encode a table to find out."""
        return int(value.nbytes)

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type:
        return pa.Table


registry.register_coder(pa.Table, _TableCoder)


@dataclass(eq=False)
class KeepTables(beam.PTransform):
    """Tables, each with a name and a column `by`, to runs in a folder, where there is one.

    `done`: runs that an earlier attempt left there, which come out as well.
    """

    tag: str
    by: str
    folder: Location | None
    done: Sequence[Location] = ()

    def expand(self, tables: PCollection[pa.Table]) -> PCollection[Any]:
        if self.folder is None:
            return tables
        new = tables | "Keep" >> beam.Map(write_run, self.tag, self.by, self.folder)
        if not self.done:
            return new
        old = tables.pipeline | "Done" >> beam.Create(list(self.done)) | beam.Map(open_run)
        return (new, old) | "Both" >> beam.Flatten()


@dataclass(eq=False)
class CoGroupTables(beam.PTransform):
    """{tag: tables} to (key, {tag: that key's rows}), for each of `keys`: CoGroupByKey for tables.

    `by`: the column with the key; None: all rows have the key 0. `spill`: a folder that all workers
    see, or None. Runs that wait there already may come in place of tables.
    """

    by: str | None
    keys: Sequence[int]
    spill: Location | None

    def expand(self, tables: Mapping[str, PCollection[Any]]) -> PCollection[Grouped]:
        pipeline = next(iter(tables.values())).pipeline
        keys = pipeline | "Keys" >> beam.Create(list(self.keys))
        if self.spill is None:
            return self._shuffle(keys, tables)
        runs = [
            rows | f"Spill {tag}" >> beam.FlatMap(as_runs, tag, self.by, self.spill)
            for tag, rows in tables.items()
        ]
        together = AsList(runs | "Runs" >> beam.Flatten())
        return keys | "Gather" >> beam.Map(gather_runs, together, list(tables))

    def _shuffle(
        self, keys: PCollection[int], tables: Mapping[str, PCollection[pa.Table]]
    ) -> PCollection[Grouped]:
        """What CoGroupByKey does, which would lose the tables' type, and so how they are encoded.

        Pickled, the rows of a key would hold all rows of their table.
        """
        parts = [
            rows
            | f"Split {tag}" >> beam.FlatMap(_split_tagged, tag, self.by).with_output_types(_Tagged)
            for tag, rows in tables.items()
        ]
        nothing = keys | "Nothing" >> beam.Map(_with_nothing).with_output_types(_Tagged)
        grouped = [*parts, nothing] | "Parts" >> beam.Flatten() | "Group" >> beam.GroupByKey()
        return grouped | "By tag" >> beam.Map(_collect, list(tables))


@dataclass(eq=False)
class GatherTables(beam.PTransform):
    """All tables to one element, an iterable of them in no order, for one worker."""

    tag: str
    spill: Location | None

    def expand(self, tables: PCollection[pa.Table]) -> PCollection[Iterable[pa.Table]]:
        together = {self.tag: tables} | CoGroupTables(None, [0], self.spill)
        return together | "Tables" >> beam.Map(_tables_of, self.tag)


def _split_tagged(table: pa.Table, tag: str, by: str | None) -> Iterator[_Tagged]:
    """The rows of each key that occurs, with a tag."""
    return ((key, (tag, rows)) for key, rows in split_table(table, by))


def _tables_of(grouped: Grouped, tag: str) -> Iterable[pa.Table]:
    return grouped[1][tag]


def _with_nothing(key: int) -> _Tagged:
    """So that every key comes out, also one without rows."""
    return key, (_NOTHING, pa.table({}))


def _collect(grouped: tuple[int, Iterable[tuple[str, pa.Table]]], tags: Sequence[str]) -> Grouped:
    """The tables of a key by their tags."""
    key, tagged = grouped[0], list(grouped[1])
    return key, {tag: [table for name, table in tagged if name == tag] for tag in tags}
