"""The rows of a split's shards: in any order, from few blocks, checked where they are read."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertdata.errors import DataError
from bertdata.reader.stored_examples import StoredExamples
from bertdata.storage.files import open_file
from bertdata.storage.locations import Address, Location
from bertdata.storage.manifest import read_manifest
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import Shard, describe_file, write_arrow
from tests.copies import copy_folder
from tests.example_folder import (
    Folders,
    Row,
    make_rows,
    to_rows,
    without_document,
    write_folders,
    write_shard,
)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path)


@pytest.fixture(params=["s3", "here"])
def folder(folders: Folders, request: pytest.FixtureRequest) -> Location:
    """The folder of the examples: on this machine, or a copy at an address."""
    if request.param == "here":
        return folders.examples
    address: Address = request.getfixturevalue("s3")
    copy_folder(folders.examples, address)
    return address


def shards_of(folders: Folders, split: str = "train") -> list[Shard]:
    shards = read_manifest(folders.examples).shards
    return [shard for shard in shards if shard.path.startswith(split)]


def stored_of(folders: Folders, folder: Location | None = None) -> StoredExamples:
    """The training examples."""
    location = folder or folders.examples
    return StoredExamples(location, shards_of(folders), folders.vocabulary.size)


def stored_rows(folders: Folders, rows: list[Row]) -> StoredExamples:
    """Other rows, in a shard of their own."""
    shard = write_shard(folders, "other.arrow", rows)
    return StoredExamples(folders.examples, [shard], folders.vocabulary.size)


# what is read


def test_blocks_are_the_record_batches_of_all_shards_in_order(
    folders: Folders, folder: Location
) -> None:
    stored = stored_of(folders, folder)
    assert stored.block_rows == [5, 5, 3, 5, 5, 2, 5, 5, 2]
    batches = list(stored.read_blocks())
    assert [batch.num_rows for batch in batches] == stored.block_rows
    assert [row for batch in batches for row in batch.to_pylist()] == folders.train


@pytest.mark.parametrize("rows", [[0], [4, 5], [12, 13], [36, 0, 12, 12, 25, 5], list(range(37))])
def test_rows_in_any_order_and_repeated(
    rows: list[int], folders: Folders, folder: Location
) -> None:
    stored, numbers = stored_of(folders, folder), np.array(rows)
    wanted = [folders.train[row] for row in rows]
    assert to_rows(stored.take(numbers)) == [without_document(row) for row in wanted]
    assert stored.lengths_of(numbers).tolist() == [len(row["input_ids"]) for row in wanted]
    predictions = [len(row["masked_lm_ids"]) for row in wanted]
    assert stored.predictions_of(numbers).tolist() == predictions
    assert stored.document_ids_of(numbers) == [row["document_id"] for row in wanted]


def test_no_rows_are_an_empty_batch(folders: Folders) -> None:
    stored, none = stored_of(folders), np.array([], dtype=np.int64)
    assert to_rows(stored.take(none)) == []
    assert stored.lengths_of(none).tolist() == stored.document_ids_of(none) == []


def test_no_shards_have_no_rows(folders: Folders) -> None:
    stored = StoredExamples(folders.examples, [], folders.vocabulary.size)
    assert stored.block_rows == list(stored.read_blocks()) == []
    assert (stored.longest_row(), stored.check_contents(50)) == (0, None)


def test_the_longest_row_is_found_by_reading_all(folders: Folders, folder: Location) -> None:
    longest = stored_of(folders, folder).longest_row()
    assert longest == max(len(row["input_ids"]) for row in folders.train)


# blocks that are kept


@pytest.mark.parametrize(("compression", "batches"), [(None, 200), ("zstd", 200), ("at s3", 12)])
def test_what_was_put_away_is_read_again(
    compression: str | None,
    batches: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Rows all over the split by several threads, where one block alone is kept."""
    monkeypatch.setattr("bertdata.reader.stored_examples._KEPT_BLOCKS", 1)
    is_remote = compression == "at s3"
    folders = write_folders(tmp_path, num_train=100, compression=None if is_remote else compression)
    folder: Location = request.getfixturevalue("s3") if is_remote else folders.examples
    if is_remote:
        copy_folder(folders.examples, folder)
    stored = stored_of(folders, folder)
    choices = [np.random.default_rng(n).integers(0, 100, 7) for n in range(batches)]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(stored.take, choices))
    for rows, batch in zip(choices, taken, strict=True):
        assert to_rows(batch) == [without_document(folders.train[row]) for row in rows]
        assert stored.lengths_of(rows).tolist() == batch.lengths.tolist()
        assert stored.document_ids_of(rows) == [folders.train[row]["document_id"] for row in rows]


def test_few_blocks_are_kept(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertdata.reader.stored_examples._KEPT_BLOCKS", 3)
    stored = stored_of(folders)
    for row in range(len(folders.train)):
        stored.take(np.array([row]))
        assert len(stored._loaded) <= 3


def test_of_a_shard_at_an_address_only_the_blocks_in_use_are_fetched(
    tmp_path: Path, s3: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = write_folders(tmp_path, num_train=300)
    copy_folder(folders.examples, s3)
    fetched: list[int] = []

    class Counted(io.RawIOBase):
        def __init__(self, location: Location) -> None:
            self._file = open_file(location)

        def read(self, size: int = -1) -> bytes:
            fetched.append(size)
            return self._file.read(size)

        def seek(self, place: int, whence: int = 0) -> int:
            return self._file.seek(place, whence)

        def tell(self) -> int:
            return self._file.tell()

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

    monkeypatch.setattr(
        "bertdata.reader.stored_examples.open_arrow_file",
        lambda location: pa.PythonFile(Counted(location), mode="r"),
    )
    stored = stored_of(folders, s3)
    fetched.clear()
    assert to_rows(stored.take(np.array([7]))) == [without_document(folders.train[7])]
    assert 0 < sum(fetched) < sum(shard.bytes for shard in shards_of(folders)) / 20


# damage


@pytest.mark.parametrize(("highest", "found"), [(49, None), (50, 50), (51, 51)])
@pytest.mark.parametrize("column", ["input_ids", "masked_lm_ids"])
def test_ids_outside_the_vocabulary_are_found(
    highest: int, found: int | None, column: str, folders: Folders
) -> None:
    rows = make_rows(12, folders.vocabulary)
    rows[-1][column][-1] = highest
    wrong = found and f"has piece id {found}, the vocabulary has 50 pieces"
    assert stored_rows(folders, rows).check_contents(50) == wrong


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_masks_beyond_their_row_are_found(beyond: int, folders: Folders) -> None:
    rows = make_rows(12, folders.vocabulary)
    rows[6]["masked_lm_positions"][-1] = len(rows[6]["input_ids"]) + beyond
    wrong = None if beyond < 0 else "predicts pieces beyond their rows"
    assert stored_rows(folders, rows).check_contents(50) == wrong


def test_as_many_ids_as_places_are_predicted(folders: Folders) -> None:
    rows = make_rows(12, folders.vocabulary)
    rows[6]["masked_lm_ids"].append(7)
    with pytest.raises(DataError, match="differ"):
        stored_rows(folders, rows).take(np.array([6]))


@pytest.mark.parametrize("column", ["input_ids", "masked_lm_positions", "masked_lm_ids"])
def test_nulls_are_refused(column: str, folders: Folders) -> None:
    rows: list[dict[str, Any]] = make_rows(12, folders.vocabulary)
    rows[6][column][0] = None
    stored = stored_rows(folders, rows)
    assert len(stored.take(np.array([0, 10])).lengths) == 2  # of other blocks
    with pytest.raises(DataError, match=r"other\.arrow has nulls"):
        stored.take(np.array([6]))
    with pytest.raises(DataError, match=r"other\.arrow has nulls"):
        stored.check_contents(50)


def test_a_column_that_is_cut_short_is_refused(folders: Folders) -> None:
    """Arrow would read beyond its buffer."""
    schema = examples_schema(folders.vocabulary.size)
    (batch,) = pa.Table.from_pylist(folders.validation, schema=schema).to_batches()
    path = folders.examples / "other.arrow"
    write_arrow(path, schema, [batch])
    # In its header, the size of the last column's numbers: 9 of 8 bytes.
    data = path.read_bytes()
    place = data.rindex(struct.pack("<q", 72))
    path.write_bytes(data[:place] + struct.pack("<q", 8) + data[place + 8 :])
    stored = StoredExamples(folders.examples, [describe_file(path, rows=9)], 50)
    message = r"other\.arrow is not a complete Arrow file \(.*Buffer #1 too small"
    for read in (lambda: stored.check_contents(50), lambda: stored.take(np.arange(2))):
        with pytest.raises(DataError, match=message):
            read()


@pytest.mark.parametrize("rows", [2, 4])
def test_a_wrong_row_count_is_refused(rows: int, folders: Folders) -> None:
    shard = write_shard(folders, "other.arrow", make_rows(3, folders.vocabulary))
    with pytest.raises(DataError, match=rf"other\.arrow has 3 rows, the manifest says {rows}"):
        StoredExamples(folders.examples, [replace(shard, rows=rows)], 50)


def test_another_schema_version_is_refused(folders: Folders) -> None:
    schema = examples_schema(50).with_metadata({"bertdata.version": "99"})
    table = pa.Table.from_pylist(make_rows(3, folders.vocabulary), schema=schema)
    shard = write_arrow(folders.examples / "other.arrow", schema, table.to_batches())
    with pytest.raises(DataError, match="format version 99"):
        StoredExamples(folders.examples, [shard], 50)


def test_the_ids_of_a_large_vocabulary_are_other_columns(folders: Folders) -> None:
    with pytest.raises(DataError, match="input_ids"):
        StoredExamples(folders.examples, shards_of(folders), 1 << 17)


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0", b"no Arrow file at all"])
def test_other_files_are_refused_at_once(content: bytes, folders: Folders) -> None:
    shard = shards_of(folders)[1]
    (folders.examples / shard.path).write_bytes(content)
    with pytest.raises(DataError, match=rf"{shard.path} is not a complete Arrow file"):
        stored_of(folders)
