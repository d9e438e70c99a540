"""Files of strangers' folders: regular ones of the folder are read, everything else is refused."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bertdata.errors import DataError
from bertdata.storage import foreign
from bertdata.storage.foreign import (
    open_foreign,
    parse_foreign_table,
    read_foreign,
    read_foreign_table,
)
from bertdata.storage.locations import Address
from bertdata.storage.manifest import make_manifest, read_manifest, write_manifest
from bertdata.storage.shards import describe_file
from bertdata.storage.writing import write_json
from tests.copies import write_bytes


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # a socket's path may have about 100 characters
        server.bind(path.name)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": lambda path: os.mkfifo(path),
    "a socket": make_socket,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe beside it": lambda path: (
        os.mkfifo(path.parent / "pipe"),
        path.symlink_to("pipe"),
    )[1],
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # and back at the end
    ODD[kind](tmp_path / "vocab.txt")
    with pytest.raises(OSError, match=r"vocab\.txt is not a regular file; put a copy"):
        open_foreign(tmp_path / "vocab.txt")


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_foreign(tmp_path, 10)
    with pytest.raises(FileNotFoundError):
        read_foreign(tmp_path / "none", 10)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        read_foreign(tmp_path / "loop", 10)


def test_links_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (tmp_path / "private").write_text("secret")
    (model / "deep" / "a").write_text("a")
    (model / "inside").symlink_to("deep/a")
    (model / "outside").symlink_to("../private")
    (model / "over").symlink_to("outside")
    (model / "folder").symlink_to("..")
    (tmp_path / "link").symlink_to(model)
    assert read_foreign(model / "inside", 10) == b"a"
    assert read_foreign(tmp_path / "link" / "inside", 10) == b"a"
    for name in ("outside", "over"):
        with pytest.raises(OSError, match=rf"{name} is a link that leads out of .*/private; if"):
            open_foreign(tmp_path / "link" / name)


def test_the_cache_of_the_hub_is_read(tmp_path: Path) -> None:
    """Its snapshots are links to the blobs of the same repository, and to nothing else."""
    repository = tmp_path / "models--some--bert"
    snapshot = repository / "snapshots" / "abc"
    (snapshot / "deep").mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "f00").write_text("{}")
    (tmp_path / "private").write_text("secret")
    (snapshot / "config.json").symlink_to("../../blobs/f00")
    (snapshot / "deep" / "vocab.txt").symlink_to("../../../blobs/f00")
    (snapshot / "other").symlink_to("../../../private")
    (repository / "blobs" / "f01").symlink_to(tmp_path / "private")
    (snapshot / "over").symlink_to("../../blobs/f01")
    (snapshot / "dots").symlink_to("../../blobs/../../private")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "f02").write_text("of another repository")
    (snapshot / "another").symlink_to("../../../blobs/f02")
    assert read_foreign_table(snapshot / "config.json") == {}
    assert read_foreign(snapshot / "deep" / "vocab.txt", 10) == b"{}"
    for name in ("other", "over", "dots", "another"):
        with pytest.raises(OSError, match="leads out of its folder"):
            read_foreign(snapshot / name, 10)


def test_a_folder_called_blobs_that_is_a_link_is_no_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "id").write_text("secret")
    (tmp_path / "model" / "blobs").symlink_to(tmp_path / "keys")
    (snapshot / "config.json").symlink_to("../../blobs/id")
    with pytest.raises(OSError, match=r"leads out of its folder, to .*/keys/id"):
        read_foreign_table(snapshot / "config.json")


def test_a_finished_stage_in_the_cache_is_read(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    (blobs / "f00").write_text("a")
    (snapshot / "a").symlink_to("../../blobs/f00")
    shard = describe_file(snapshot / "a", rows=1)
    manifest = make_manifest("model", config={}, inputs={}, counts={}, shards=[shard])
    write_manifest(snapshot, manifest)
    assert read_manifest(snapshot) == manifest


def test_a_link_that_is_replaced_while_it_is_opened_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the private file while it is opened, to a harmless one while it is looked at."""
    (tmp_path / "private").write_text("secret")
    path = tmp_path / "model" / "config.json"
    path.parent.mkdir()
    path.symlink_to("../private")
    check = foreign._check_regular

    def replace(*arguments: object) -> None:
        check(*arguments)  # type: ignore[arg-type]
        path.unlink()
        path.write_text("{}")

    monkeypatch.setattr("bertdata.storage.foreign._check_regular", replace)
    with pytest.raises(OSError, match="changed while it was opened"):
        open_foreign(path)


def test_sizes_have_a_limit(tmp_path: Path, s3: Address) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match=r"has 1,099,511,627,776 bytes; the maximum is 16,777"):
        read_foreign_table(tmp_path / "sparse")
    for folder in (tmp_path, s3):
        write_bytes(folder / "a", b"{}   ")
        assert read_foreign(folder / "a", 5) == b"{}   "
        with pytest.raises(OSError, match="has 5 bytes; the maximum is 4"):
            read_foreign(folder / "a", 4)
        assert read_foreign_table(folder / "a") == {}


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[1]",
        b"",
        b"{}x",
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xff\xfe",
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_object_in_json_is_one_error(data: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        parse_foreign_table(data)
    assert len(str(caught.value)) < 200


def test_objects_are_read() -> None:
    assert parse_foreign_table(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00 \\u00e4"}') == {"a": "😀 ä"}


@pytest.mark.parametrize("key", ["path", "sha256"])
def test_a_manifest_with_values_of_a_wrong_type_is_damaged(tmp_path: Path, key: str) -> None:
    shard = {"path": "a", "rows": 1, "bytes": 1, "sha256": "0", key: ["x"]}
    rest = {"config": {}, "inputs": {}, "counts": {}, "content_sha256": "", "shards": [shard]}
    write_json(tmp_path / "manifest.json", {"format": "bertdata-model", **rest})
    with pytest.raises(DataError, match="is damaged"):
        read_manifest(tmp_path)


def test_reading_takes_no_more_room_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_bytes(b"{}")
    tracemalloc.start()
    assert read_foreign(path, 1 << 30) == b"{}"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
