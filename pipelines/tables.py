"""Arrow tables as the elements of pipelines, and how they are gathered by a key.

Beam's own grouping moves one row at a time and, on the embedded runner, holds all of it in the
driver. Here a table moves as a whole, and where there is a folder that all workers see, tables wait
in files of that folder: only their names go through the runner.
"""

from __future__ import annotations

import bisect
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.coders.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import AsList, PCollection

from bertdata.errors import DataError
from bertdata.storage.files import list_files
from bertdata.storage.locations import Location, locate
from bertdata.storage.shards import open_arrow, write_passing

_INLINE_BYTES = 4 << 10  # a smaller table needs no file
_TOGETHER = "together"  # a column of zeros
_NOTHING = "nothing"  # the tag of no rows
_NAME, _KEYS = b"bertdata.name", b"bertdata.keys"

_Tagged = tuple[int, tuple[str, pa.Table]]  # a key, and a tag with rows of that key

# A key, and by tag the tables with that key's rows, in no order.
Grouped = tuple[int, Mapping[str, Iterable[pa.Table]]]


class _TableCoder(Coder):
    """An Arrow table as an IPC stream."""

    def encode(self, value: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value)
        return bytes(sink.getvalue())

    def decode(self, encoded: bytes) -> pa.Table:
        return pa.ipc.open_stream(encoded).read_all()

    def estimate_size(self, value: pa.Table) -> int:
        """The size in memory: Beam would encode a table to find out."""
        return int(value.nbytes)

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type:
        return pa.Table


registry.register_coder(pa.Table, _TableCoder)


def select_columns(table: pa.Table | Run, names: Sequence[str]) -> pa.Table:
    """Some columns of a table, wherever it is, with its name."""
    return table.read_columns(names) if isinstance(table, Run) else table.select(list(names))


def name_table(table: pa.Table, name: str) -> pa.Table:
    """The table with a name, the same whenever and by whom it is made: its file's, if it waits."""
    return table.replace_schema_metadata({_NAME: name})


@dataclass(frozen=True, slots=True)
class Run:
    """A table by its keys: in a file with a record batch a key, or here, encoded, if it is small.

    `tag`: of the tables that it belongs to, once they are gathered.
    """

    keys: tuple[int, ...]
    path: str = ""
    encoded: tuple[bytes, ...] = ()
    tag: str = ""

    def read(self, key: int) -> pa.Table:
        """The rows of one of its keys."""
        place = bisect.bisect_left(self.keys, key)
        if not self.path:
            return _TableCoder().decode(self.encoded[place])
        with open_arrow(locate(self.path), mapped=False) as reader:
            batch = reader.get_batch(place)
            return pa.Table.from_batches([batch]).replace_schema_metadata(None)

    def read_columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all its rows, with the name; nothing else of the file is read."""
        with open_arrow(locate(self.path)) as reader:
            places = [reader.schema.get_field_index(name) for name in names]
            name = _name_of(reader.schema)
        options = pa.ipc.IpcReadOptions(included_fields=places)
        with open_arrow(locate(self.path), options=options) as reader:
            return name_table(reader.read_all().select(list(names)), name)


@dataclass(frozen=True, slots=True)
class _RunsOfKey:
    """The tables of a key in runs, each read when it is its turn."""

    runs: tuple[Run, ...]
    key: int

    def __iter__(self) -> Iterator[pa.Table]:
        return (run.read(self.key) for run in self.runs)


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
        new = tables | "Keep" >> beam.Map(_spill_table, self.tag, self.by, self.folder)
        if not self.done:
            return new
        old = tables.pipeline | "Done" >> beam.Create(list(self.done)) | beam.Map(_open_run)
        return (new, old) | "Both" >> beam.Flatten()


@dataclass(eq=False)
class CoGroupTables(beam.PTransform):
    """{tag: tables} to (key, {tag: that key's rows}), for each of `keys`: CoGroupByKey for tables.

    `by`: the column with the key. `spill`: a folder that all workers see, or None. Runs that wait
    there already may come in place of tables.
    """

    by: str
    keys: Sequence[int]
    spill: Location | None

    def expand(self, tables: Mapping[str, PCollection[Any]]) -> PCollection[Grouped]:
        pipeline = next(iter(tables.values())).pipeline
        keys = pipeline | f"Keys of {self.by}" >> beam.Create(list(self.keys))
        if self.spill is None:
            return self._shuffle(keys, tables)
        runs = [
            rows | f"Spill {tag}" >> beam.FlatMap(_as_runs, tag, self.by, self.spill)
            for tag, rows in tables.items()
        ]
        together = AsList(runs | "Runs" >> beam.Flatten())
        return keys | "Gather" >> beam.Map(_gather, together, list(tables))

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
        return (
            {self.tag: tables | "Together" >> beam.Map(_put_together)}
            | CoGroupTables(_TOGETHER, [0], self.spill)
            | "Tables" >> beam.Map(_tables_of, self.tag)
        )


def _spill_table(table: pa.Table, tag: str, by: str, folder: Location) -> Run:
    """Write a table to its run. Whoever writes it, the file is the same."""
    parts = list(_split_table(table, by))
    keys = tuple(key for key, _ in parts)
    name = _name_of(table.schema)
    schema = table.schema.with_metadata({_NAME: name, _KEYS: json.dumps(keys)})
    location = folder / f"{tag}-{name}.arrow"
    batches = (rows.replace_schema_metadata(schema.metadata).to_batches()[0] for _, rows in parts)
    write_passing(location, schema, batches)
    return Run(keys, path=str(location))


def _split_tagged(table: pa.Table, tag: str, by: str) -> Iterator[tuple[int, tuple[str, pa.Table]]]:
    """The rows of each key that occurs, with a tag."""
    return ((key, (tag, rows)) for key, rows in _split_table(table, by))


def _split_table(table: pa.Table, by: str) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each key that occurs, by key, in their order, as one chunk."""
    keys = table[by].to_numpy()
    if not len(keys):
        return
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, table = keys[order], table.take(pa.array(order))
    table = table.combine_chunks()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])).tolist()
    for start, stop in zip(starts, [*starts[1:], len(keys)]):
        yield int(keys[start]), table.slice(start, stop - start)


def find_runs(folder: Location | None, tag: str) -> dict[str, Location]:
    """The runs that an earlier attempt left in a folder, if there is one: name and file.

    Those that a power cut left in pieces are not among them, since they were never synced.
    """
    if folder is None:
        return {}
    found = [file.path for file in list_files(folder) if file.path.startswith(f"{tag}-")]
    names = [path.removeprefix(f"{tag}-").removesuffix(".arrow") for path in found]
    runs = {name: folder / path for name, path in zip(names, found)}
    return {name: location for name, location in runs.items() if _is_whole(location)}


def _is_whole(location: Location) -> bool:
    """Whether a file has its end; on other storage every file has."""
    if isinstance(location, Path):
        with contextlib.suppress(DataError), open_arrow(location):
            return True
        return False
    return True


def _open_run(location: Location) -> Run:
    """The run in a file. Raises DataError when the file is damaged."""
    with open_arrow(location) as reader:
        keys = json.loads(reader.schema.metadata[_KEYS])
        return Run(tuple(keys), path=str(location))


def _as_runs(table: pa.Table | Run, tag: str, by: str, folder: Location) -> Iterator[Run]:
    """The run of a table, unless it is empty; a run as it is."""
    if isinstance(table, Run):
        yield replace(table, tag=tag)
    elif table.nbytes >= _INLINE_BYTES:
        yield replace(_spill_table(table, tag, by, folder), tag=tag)
    elif len(table):
        keys, rows = zip(*_split_table(table, by))
        yield Run(keys, encoded=tuple(map(_TableCoder().encode, rows)), tag=tag)


def _gather(key: int, runs: Sequence[Run], tags: Sequence[str]) -> Grouped:
    found = [run for run in runs if key in run.keys]
    by_tag = {tag: tuple(run for run in found if run.tag == tag) for tag in tags}
    return key, {tag: _RunsOfKey(some, key) for tag, some in by_tag.items()}


def _put_together(table: pa.Table) -> pa.Table:
    return table.append_column(_TOGETHER, pa.array(np.zeros(len(table), np.int8)))


def _tables_of(grouped: Grouped, tag: str) -> Iterable[pa.Table]:
    return grouped[1][tag]


def _with_nothing(key: int) -> _Tagged:
    """So that every key comes out, also one without rows."""
    return key, (_NOTHING, pa.table({}))


def _collect(grouped: tuple[int, Iterable[tuple[str, pa.Table]]], tags: Sequence[str]) -> Grouped:
    """The tables of a key by their tags."""
    key, tagged = grouped
    found: dict[str, list[pa.Table]] = {tag: [] for tag in (*tags, _NOTHING)}
    for tag, table in tagged:
        found[tag].append(table)
    return key, {tag: found[tag] for tag in tags}


def _name_of(schema: pa.Schema) -> str:
    return str(schema.metadata[_NAME].decode())
