"""The same calls on a disk, servers of S3 and gs://, and a storage that publishes at close."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.errors import BertdataError, DataError
from bertdata.storage.files import (
    FoundFile,
    exists,
    find_file,
    is_file,
    is_folder,
    is_temporary,
    iterate_blocks,
    list_files,
    list_folders,
    open_file,
    read_bytes,
    remove_file,
    remove_folder,
    remove_temporary_files,
    size_of,
)
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.locks import hold
from bertdata.storage.manifest import find_damage, make_manifest, read_manifest, write_manifest
from bertdata.storage.shards import describe_file, map_arrow, open_arrow, sha256_of, write_arrow
from bertdata.storage.writing import atomic_file, check_writable, write_json, write_text
from tests import closing_storage

_SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture(params=["disk", "s3", "gs", "closing"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param in ("s3", "gs"):
        found: Location = request.getfixturevalue(request.param)
        return found
    closing_storage.register()
    return locate(f"closing://{tmp_path}/run") if request.param == "closing" else tmp_path / "run"


def test_what_is_written_is_there(folder: Location) -> None:
    write_text(folder / "a" / "b.txt", "one\ntwo")
    file = folder / "a" / "b.txt"
    assert read_bytes(file) == b"one\ntwo"
    assert is_file(file)
    assert not is_folder(file)
    assert is_folder(folder / "a")
    assert not exists(folder / "c")
    assert size_of(file) == 7
    assert b"".join(iterate_blocks(file, 2)) == b"one\ntwo"
    with open_file(file) as opened:
        opened.seek(4)
        assert opened.read(3) == b"two"


def test_no_name_changes_the_bytes(folder: Location) -> None:
    for name in ("a.gz", "a.bz2", "a.zst", "a.lz4"):
        write_text(folder / name, "text")
        assert read_bytes(folder / name) == b"text"


def test_listings_have_sizes_and_no_temporary_files(folder: Location) -> None:
    write_text(folder / "b.txt", "12")
    write_text(folder / "a" / "c.txt", "123")
    write_text(folder / ".b.txt.0f.tmp", "half")
    found = list_files(folder, recursive=True)
    assert [(file.path, file.bytes) for file in found] == [("a/c.txt", 3), ("b.txt", 2)]
    assert [file.path for file in list_files(folder)] == ["b.txt"]
    assert list_files(folder / "none") == []
    write_text(folder / "a" / "deep" / "d.txt", "1")
    assert list_folders(folder) == ["a"]
    assert list_folders(folder / "none") == []
    assert isinstance(found[0], FoundFile)
    assert found[0].changed > 0


@pytest.mark.parametrize(
    ("name", "is_unfinished"),
    [
        (".a.arrow.0f.tmp", True),
        ("deep/.a.arrow.0f.tmp", True),
        (".hidden", False),
        ("a.tmp", False),
        (".deep.tmp/a", False),
    ],
)
def test_only_our_own_unfinished_files_are_left_out(
    name: str, is_unfinished: bool, tmp_path: Path
) -> None:
    assert is_temporary(name) is is_unfinished
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    found = [file.path for file in list_files(tmp_path, recursive=True)]
    assert found == ([] if is_unfinished else [name])


def test_files_and_folders_are_removed(folder: Location) -> None:
    write_text(folder / "a" / "b.txt", "1")
    write_text(folder / "a" / "c.txt", "1")
    remove_file(folder / "a" / "b.txt")
    remove_file(folder / "a" / "b.txt")
    assert [file.path for file in list_files(folder / "a")] == ["c.txt"]
    remove_folder(folder / "a")
    remove_folder(folder / "a")
    assert list_files(folder, recursive=True) == []


def test_an_error_leaves_what_was_there(folder: Location) -> None:
    write_text(folder / "a.txt", "before")
    with pytest.raises(ZeroDivisionError), atomic_file(folder / "a.txt") as temporary:
        temporary.write_bytes(bytes(1 // 0))
    assert read_bytes(folder / "a.txt") == b"before"
    assert [file.path for file in list_files(folder)] == ["a.txt"]


def test_arrow_files(folder: Location) -> None:
    batches = [pa.record_batch([[n, n + 1]], schema=_SCHEMA) for n in range(3)]
    shard = write_arrow(folder / "a.arrow", _SCHEMA, batches)
    assert shard == describe_file(folder / "a.arrow", rows=6)
    with open_arrow(folder / "a.arrow") as reader:
        assert reader.get_batch(2).to_pydict() == {"n": [2, 3]}
    assert pa.ipc.open_file(map_arrow(folder / "a.arrow")).num_record_batches == 3
    write_text(folder / "b.arrow", "no Arrow")
    with (
        pytest.raises(DataError, match=r"b\.arrow\S* is not a complete Arrow file"),
        open_arrow(folder / "b.arrow"),
    ):
        pass


def test_manifests(folder: Location) -> None:
    shard = write_arrow(folder / "a.arrow", _SCHEMA, [])
    manifest = make_manifest("sentences", config={}, inputs={}, counts={}, shards=[shard])
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest
    assert find_damage(folder, manifest) == []
    write_text(folder / "a.arrow", "")
    assert "0 bytes" in find_damage(folder, manifest)[0]
    write_json(folder / "manifest.json", {"shards": []})
    with pytest.raises(DataError, match="is damaged"):
        read_manifest(folder)


def test_a_missing_file_is_told_from_one_that_cannot_be_read(folder: Location) -> None:
    with pytest.raises(FileNotFoundError):
        find_file(folder / "none")
    with pytest.raises(OSError, match="none"):
        read_bytes(folder / "none")


class _StorageError(Exception):
    """What a storage's own library raises."""


class _Failing:
    def read(self, *_: object) -> bytes:
        raise _StorageError("503\nand more")

    seek = tell = close = read


def test_all_errors_of_a_storage_are_those_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing_storage.register()
    monkeypatch.setattr(closing_storage.ClosingFileSystem, "_open", lambda *_, **__: _Failing())
    address = locate(f"closing://{tmp_path}/a.txt")
    for read in (read_bytes, sha256_of, lambda found: open_file(found).seek(3)):
        with pytest.raises(OSError, match="_StorageError: 503"):
            read(address)


def test_a_folder_can_be_held_and_written_to(folder: Location) -> None:
    with hold(folder):
        check_writable(folder)
    assert list_files(folder, recursive=True) == []


@pytest.mark.parametrize("address", ["s3://no-such-bucket-here/run", "unheard://of/run"])
def test_an_address_that_cannot_be_written_is_one_line(address: str, s3: Location) -> None:
    with pytest.raises(BertdataError, match=r"cannot (write|use)") as raised:
        check_writable(locate(address))
    assert len(str(raised.value).splitlines()) == 1


def test_listings_may_include_temporary_files(folder: Location) -> None:
    for name in (".b.txt.0f.tmp", "a/.c.txt.0f.tmp", "b.txt"):
        write_text(folder / name, "half")
    names = [file.path for file in list_files(folder, recursive=True, with_temporary=True)]
    assert names == [".b.txt.0f.tmp", "a/.c.txt.0f.tmp", "b.txt"]
    assert [is_temporary(name) for name in names] == [True, True, False]


def test_what_killed_processes_left_half_written_is_removed(folder: Location) -> None:
    for name in (".b.txt.0f.tmp", "a/.c.txt.0f.tmp", "b.txt", "c.tmp"):
        write_text(folder / name, "half")
    remove_temporary_files(folder)
    names = [file.path for file in list_files(folder, recursive=True, with_temporary=True)]
    assert names == ["a/.c.txt.0f.tmp", "b.txt", "c.tmp"]


def test_the_bytes_of_a_packed_file_are_not_packed_again(folder: Location) -> None:
    packed = gzip.compress(b"text")
    for name in ("a.gz", "a.bz2", "a.zst", "a.lz4"):
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(packed)
        assert read_bytes(folder / name) == packed


def test_a_file_that_is_not_reached_is_not_called_incomplete(s3: Address) -> None:
    with pytest.raises(DataError, match=f"{s3}/a.arrow is missing"), open_arrow(s3 / "a.arrow"):
        pass
    write_text(s3 / "a.arrow", "ARROW1")
    wanted = f"{s3}/a.arrow is not a complete Arrow file"
    with pytest.raises(DataError, match=wanted), open_arrow(s3 / "a.arrow"):
        pass
