"""Tables that wait for others, by a key: in files of a folder that all workers see, or as bytes."""

from __future__ import annotations

import bisect
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.errors import DataError
from bertdata.storage.files import list_files
from bertdata.storage.locations import Location, locate
from bertdata.storage.shards import open_arrow, write_passing

_INLINE_BYTES = 4 << 10  # a smaller table needs no file
_NAME, _KEYS = b"bertdata.name", b"bertdata.keys"

# A key, and by tag the tables with that key's rows, in no order.
Grouped = tuple[int, Mapping[str, Iterable[pa.Table]]]


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
            return decode_table(self.encoded[place])
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


def select_columns(table: pa.Table | Run, names: Sequence[str]) -> pa.Table:
    """Some columns of a table, wherever it is, with its name."""
    return table.read_columns(names) if isinstance(table, Run) else table.select(list(names))


def name_table(table: pa.Table, name: str) -> pa.Table:
    """The table with a name, the same whenever and by whom it is made: its file's, if it waits."""
    return table.replace_schema_metadata({_NAME: name})


def as_runs(table: pa.Table | Run, tag: str, by: str | None, folder: Location) -> Iterator[Run]:
    """The run of a table, unless it is empty; a run as it is."""
    if isinstance(table, Run):
        yield replace(table, tag=tag)
    elif table.nbytes >= _INLINE_BYTES:
        yield replace(write_run(table, tag, by, folder), tag=tag)
    elif len(table):
        keys, rows = zip(*split_table(table, by))
        yield Run(keys, encoded=tuple(map(encode_table, rows)), tag=tag)


def write_run(table: pa.Table, tag: str, by: str | None, folder: Location) -> Run:
    """Write a table to its run. Whoever writes it, the file is the same."""
    parts = list(split_table(table, by))
    keys = tuple(key for key, _ in parts)
    name = _name_of(table.schema)
    schema = table.schema.with_metadata({_NAME: name, _KEYS: json.dumps(keys)})
    location = folder / f"{tag}-{name}.arrow"
    batches = (rows.replace_schema_metadata(schema.metadata).to_batches()[0] for _, rows in parts)
    write_passing(location, schema, batches)
    return Run(keys, path=str(location))


def split_table(table: pa.Table, by: str | None) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each key that occurs, by key, in their order, as one chunk.

    `by`: the column with the key; None: all rows have the key 0.
    """
    keys = np.zeros(len(table), np.int8) if by is None else table[by].to_numpy()
    if not len(keys):
        return
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, table = keys[order], table.take(pa.array(order))
    table = table.combine_chunks()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])).tolist()
    for start, stop in zip(starts, [*starts[1:], len(keys)]):
        yield int(keys[start]), table.slice(start, stop - start)


def gather_runs(key: int, runs: Sequence[Run], tags: Sequence[str]) -> Grouped:
    """The rows of a key, by the tags of the runs that have some."""
    found = [run for run in runs if key in run.keys]
    by_tag = {tag: tuple(run for run in found if run.tag == tag) for tag in tags}
    return key, {tag: _RunsOfKey(some, key) for tag, some in by_tag.items()}


def encode_table(table: pa.Table) -> bytes:
    """A table as an IPC stream; of a slice its own rows alone."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def decode_table(encoded: bytes) -> pa.Table:
    """The table of an IPC stream."""
    return pa.ipc.open_stream(encoded).read_all()


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


def open_run(location: Location) -> Run:
    """The run in a file. Raises DataError when the file is damaged."""
    with open_arrow(location) as reader:
        keys = json.loads(reader.schema.metadata[_KEYS])
        return Run(tuple(keys), path=str(location))


def _name_of(schema: pa.Schema) -> str:
    return str(schema.metadata[_NAME].decode())
