"""Shards of MosaicML's `streaming` (MDS, version 2), which its StreamingDataset reads.

A file has the number of rows, where each row begins and the last one ends (all uint32), the columns
as JSON, and the rows. A row has the sizes in bytes of its values of variable size, then all values,
columns by name. Lists are arrays of numpy of a fixed type: one byte for the number of dimensions
and the width of their sizes, the size, the numbers. `index.json` names the files of a split.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import offsets_of
from bertdata.errors import DataError
from bertdata.exports.rows import Examples, ShardRows
from bertdata.storage.shards import Shard

INDEX_NAME = "index.json"
_VERSION = 2
_MAX_BYTES = (1 << 32) - 1
_MASKS = ("masked_lm_ids", "masked_lm_positions")


def write_mds(path: Path, rows: ShardRows) -> None:
    """Write the rows of a shard as an MDS file.

    Raises DataError if it would have more than 4 GiB.
    """
    columns = _columns(rows.examples)
    described = json.dumps(_describe(columns), sort_keys=True).encode()
    table_bytes = 4 * (rows.num_rows + 2)
    sizes = [np.empty(0, dtype=np.int64)]
    with path.open("wb") as file:
        file.write(bytes(table_bytes) + described)  # where rows begin is known at the end
        for block in rows.blocks:
            samples = list(_encode(block, columns))
            sizes.append(np.array([len(sample) for sample in samples], dtype=np.int64))
            file.writelines(samples)
        places = offsets_of(np.concatenate(sizes)) + table_bytes + len(described)
        if places[-1] > _MAX_BYTES:
            raise DataError(f"{rows.path} has more than the 4 GiB of an MDS file; raise num_shards")
        file.seek(0)
        file.write(np.array([rows.num_rows, *places], dtype="<u4").tobytes())


def make_index(examples: Examples, shards: Iterable[Shard]) -> dict[str, object]:
    """The content of index.json for the files of a split."""
    described = _describe(_columns(examples))
    listed = [described | _describe_file(shard) for shard in shards]
    return {"shards": listed, "version": _VERSION}


def _columns(examples: Examples) -> list[pa.Field]:
    """The columns by name; without masks where there are none, as arrays cannot be empty."""
    fields = sorted(examples.schema, key=lambda field: str(field.name))
    return [field for field in fields if examples.has_masks or field.name not in _MASKS]


def _describe(columns: Iterable[pa.Field]) -> dict[str, object]:
    """What a file says of itself, and the index of each file."""
    types = [column.type for column in columns]
    return {
        "column_encodings": [
            f"ndarray:{kind.value_type}" if pa.types.is_list(kind) else str(kind) for kind in types
        ],
        "column_names": [column.name for column in columns],
        "column_sizes": [None if pa.types.is_list(kind) else kind.bit_width // 8 for kind in types],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
        "version": _VERSION,
    }


def _describe_file(shard: Shard) -> dict[str, object]:
    name = shard.path.rpartition("/")[2]
    return {
        "raw_data": {"basename": name, "bytes": shard.bytes, "hashes": {}},
        "samples": shard.rows,
        "zip_data": None,
    }


def _encode(block: pa.RecordBatch, columns: Iterable[pa.Field]) -> Iterator[bytes]:
    """The bytes of each row."""
    values: list[Iterable[bytes]] = []
    sizes: list[Iterable[bytes]] = []
    for column in columns:
        array = block.column(column.name)
        if pa.types.is_list(column.type):
            encoded = list(_encode_lists(array))
            sizes.append([len(value).to_bytes(4, "little") for value in encoded])
            values.append(encoded)
        else:
            values.append([value.tobytes() for value in array.to_numpy()])
    for row in zip(*sizes, *values):
        yield b"".join(row)


def _encode_lists(column: pa.ListArray) -> Iterator[bytes]:
    """Each list as an array of one dimension: its size in one, two or four bytes, its numbers."""
    numbers = column.flatten().to_numpy()
    bounds = offsets_of(np.diff(column.offsets.to_numpy())).tolist()
    for start, end in itertools.pairwise(bounds):
        width = 0 if end - start < 1 << 8 else 1 if end - start < 1 << 16 else 2
        opening = bytes([1 << 2 | width]) + (end - start).to_bytes(1 << width, "little")
        yield opening + numbers[start:end].tobytes()
