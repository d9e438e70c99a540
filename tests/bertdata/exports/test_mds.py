"""MDS: the bytes of streaming's own writer, and what its reader makes of them."""

from __future__ import annotations

import itertools
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertdata.errors import DataError
from bertdata.exports import mds
from bertdata.exports.export import export_examples
from bertdata.exports.rows import open_examples
from flows.paths import RunPaths
from tests.bertdata.exports.consumers import program_of, run_consumer
from tests.bertdata.exports.stored_rows import in_order, rows_of

# streaming's own writer writes the same rows again; all rows are printed in a shuffled order.
_WRITTEN_AGAIN = """
import json
import pathlib
from streaming import MDSWriter
folder, name = pathlib.Path(rows.streams[0].local), "train-00000-of-00003.mds"
shard = rows.shards[0]
columns = dict(zip(shard.column_names, shard.column_encodings))
again = folder.parent / "again"
with MDSWriter(out=str(again), columns=columns, size_limit=None) as writer:
    for number in range(shard.samples):
        writer.write(shard[number])
assert (again / "shard.00000.mds").read_bytes() == (folder / "train" / name).read_bytes()
written = json.loads((again / "index.json").read_text())
listed = json.loads((folder / "train" / "index.json").read_text())
written["shards"][0]["raw_data"]["basename"] = name
assert written["shards"][0] == listed["shards"][0]
assert written["version"] == listed["version"]
print(json.dumps([{k: v.tolist() for k, v in row.items()} for row in rows]))
"""


@pytest.fixture(scope="module")
def exported(run: RunPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("mds") / "out"
    export_examples(open_examples(run.output), output, "mds")
    return output


def test_streaming_reads_them_shuffled(run: RunPaths, exported: Path) -> None:
    assert isinstance(run.examples, Path)
    found = run_consumer("streaming", program_of(exported) + _WRITTEN_AGAIN, exported.parent)
    rows = rows_of(run.examples, "train")
    assert found != rows
    assert in_order(found) == in_order(rows)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_are_those_of_the_shards(run: RunPaths, exported: Path, split: str) -> None:
    assert isinstance(run.examples, Path)
    index = json.loads((exported / split / "index.json").read_text())
    found = [row for shard in index["shards"] for row in _read(exported / split, shard)]
    assert found == rows_of(run.examples, split)


def _read(folder: Path, shard: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a file, by the index's description alone."""
    data = (folder / shard["raw_data"]["basename"]).read_bytes()
    assert len(data) == shard["raw_data"]["bytes"]
    (count,) = struct.unpack_from("<I", data)
    assert count == shard["samples"]
    bounds = np.frombuffer(data, "<u4", count + 1, 4)
    assert bounds[-1] == len(data)
    return [_decode(data[a:b], shard) for a, b in itertools.pairwise(bounds)]


def _decode(data: bytes, shard: dict[str, Any]) -> dict[str, Any]:
    sizes = shard["column_sizes"]
    place = 4 * sizes.count(None)
    variable = iter(struct.unpack_from(f"<{sizes.count(None)}I", data))
    row = {}
    for name, encoding, size in zip(shard["column_names"], shard["column_encodings"], sizes):
        end = place + (size or next(variable))
        if encoding.startswith("ndarray:"):
            assert data[place] == 4  # one dimension, whose size has one byte
            row[name] = np.frombuffer(data[place + 2 : end], encoding[8:]).tolist()
            assert len(row[name]) == data[place + 1]
        else:
            (row[name],) = np.frombuffer(data[place:end], encoding).tolist()
        place = end
    return row


def test_lists_of_any_length() -> None:
    lists = pa.array([[7] * 3, [8] * 300, []], pa.list_(pa.uint16()))
    short, long, empty = mds._encode_lists(lists)
    assert short == b"\x04\x03" + b"\x07\x00" * 3
    assert long == b"\x05\x2c\x01" + b"\x08\x00" * 300
    assert empty == b"\x04\x00"


def test_a_file_that_is_too_large_is_refused(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mds, "_MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"more than the 4 GiB of an MDS file; raise num_shards"):
        export_examples(open_examples(run.output), tmp_path / "out", "mds")
    assert not list((tmp_path / "out").rglob("*.mds"))
