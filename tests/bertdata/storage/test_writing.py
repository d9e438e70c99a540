"""In which order files, their names and their folders reach the disk."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem

from bertdata.errors import BertdataError
from bertdata.storage import writing
from bertdata.storage.files import list_files
from bertdata.storage.locations import locate
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import sync_files, write_arrow, write_passing
from bertdata.storage.writing import atomic_file, check_writable, write_json, write_text

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="asks Linux for the file of a descriptor"
)

SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk, in order; temporary files are called "temporary"."""
    noted: list[str] = []
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def name_of(path: object) -> str:
        name = Path(str(path)).name
        return "temporary" if name.endswith(".tmp") else name

    def note_fsync(descriptor: int) -> None:
        noted.append(f"sync {name_of(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        fsync(descriptor)

    def note_replace(source: object, target: object, **options: object) -> None:
        noted.append(f"rename {name_of(source)} to {name_of(target)}")
        replace(source, target, **options)  # type: ignore[arg-type]

    def note_unlink(path: object, **options: object) -> None:
        noted.append(f"remove {name_of(path)}")
        unlink(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.setattr(os, "unlink", note_unlink)
    return noted


def without_removals(calls: list[str]) -> list[str]:
    return [call for call in calls if not call.startswith("remove")]


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path: Path, calls: list[str]) -> None:
    write_text(tmp_path / "t", "text")
    assert without_removals(calls) == ["sync temporary", "rename temporary to t"]


def test_a_file_that_is_synced_later_is_only_renamed(tmp_path: Path, calls: list[str]) -> None:
    batch = pa.record_batch([pa.array([1, 2])], schema=SCHEMA)
    shards = [write_arrow(tmp_path / name, SCHEMA, [batch]) for name in ("a", "b")]
    write_passing(tmp_path / "c", SCHEMA, [batch])
    assert without_removals(calls) == [f"rename temporary to {name}" for name in "abc"]
    calls.clear()
    sync_files(tmp_path, shards)
    assert calls == ["sync a", "sync b"]


def test_a_manifest_comes_after_the_names_of_its_files_and_before_its_own(
    tmp_path: Path, calls: list[str]
) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    write_manifest(folder, make_manifest("vocab", config={}, inputs={}, counts={}, shards=[]))
    assert without_removals(calls) == [
        "sync stage",
        "sync temporary",
        "rename temporary to manifest.json",
        "sync stage",
    ]


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path, calls: list[str]) -> None:
    with pytest.raises(BertdataError), atomic_file(tmp_path / "t") as temporary:
        (temporary / "no folder").touch()
    assert calls == ["remove temporary"]
    assert list(tmp_path.iterdir()) == []
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_have_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if they draw the same name."""
    monkeypatch.setattr("secrets.token_hex", lambda number: "00000000")
    with (
        atomic_file(tmp_path / "t"),
        pytest.raises(BertdataError, match=r"cannot write .*/t: File exists"),
        atomic_file(tmp_path / "t"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    write_text(tmp_path / "t", "")
    write_arrow(tmp_path / "a", SCHEMA, [])
    for name in ("t", "a"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


def test_file_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    write_json(tmp_path / "j", {"name": "caf\udce9", "ä": "東"})
    assert json.loads((tmp_path / "j").read_bytes()) == {"name": "caf\udce9", "ä": "東"}
    assert "東" in (tmp_path / "j").read_text(encoding="utf-8")


def test_a_write_to_hdfs_that_was_cut_off_leaves_a_name_that_listings_leave_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shard" / "in the way").mkdir(parents=True)  # the file cannot get this name
    disk = LocalFileSystem(), str(tmp_path / "shard")
    monkeypatch.setattr(writing, "open_filesystem", lambda address: disk)
    with pytest.raises(BertdataError, match="cannot write hdfs://host/shard: "):
        write_text(locate("hdfs://host/shard"), "text")
    assert len(list(tmp_path.iterdir())) == 2
    assert list_files(tmp_path) == []
