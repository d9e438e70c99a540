"""Manifests: read back as written, refused when damaged, and equal for equal data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import DataError
from bertdata.storage.manifest import (
    Manifest,
    check_stage,
    content_hash,
    find_damage,
    is_complete,
    make_manifest,
    read_manifest,
    write_manifest,
)
from bertdata.storage.shards import Shard, describe_file
from bertdata.storage.writing import write_text


def _manifest(folder: Path) -> Manifest:
    for name in ("b.arrow", "a.arrow"):
        (folder / name).write_text(name)
    shards = [describe_file(folder / name, rows=1) for name in ("b.arrow", "a.arrow")]
    return make_manifest("test", config={"seed": 1}, inputs={}, counts={"n": 2}, shards=shards)


def test_comes_back_as_written(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    assert not is_complete(tmp_path)
    write_manifest(tmp_path, manifest)
    assert is_complete(tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert [shard.path for shard in manifest.shards] == ["a.arrow", "b.arrow"]
    assert find_damage(tmp_path, manifest) == []


def test_content_hash_follows_the_data(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    again = make_manifest("test", config={}, inputs={}, counts={}, shards=manifest.shards[::-1])
    assert again.content_sha256 == manifest.content_sha256
    fewer = make_manifest("test", config={}, inputs={}, counts={}, shards=manifest.shards[:1])
    assert fewer.content_sha256 != manifest.content_sha256


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ({"path": "c.arrow"}, True),
        ({"rows": 2}, True),
        ({"sha256": "0"}, True),
        ({"bytes": 9}, False),
    ],
)
def test_names_rows_and_bytes_are_in_the_content_hash(
    change: dict[str, Any], is_other: bool, tmp_path: Path
) -> None:
    """The size is not: it follows from the bytes."""
    first, second = _manifest(tmp_path).shards
    changed = dataclasses.replace(second, **change)
    assert (content_hash([first, changed]) != content_hash([first, second])) is is_other


def test_the_content_hash_never_changes() -> None:
    shard = Shard(path="a.arrow", rows=3, bytes=9, sha256="00ff")
    assert content_hash([shard]).startswith("44201c2a50916033")


def test_damage_is_named(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    (tmp_path / "a.arrow").write_text("A.arrow")
    (tmp_path / "b.arrow").unlink()
    changed, missing = find_damage(tmp_path, manifest)
    assert "a.arrow: sha256" in changed
    assert "b.arrow: missing" in missing
    (tmp_path / "b.arrow").write_text("longer than before")
    assert "b.arrow: 18 bytes, the manifest says 7" in find_damage(tmp_path, manifest)[1]


def _with_path(path: str) -> str:
    shard = f'{{"path": {path}, "rows": 1, "bytes": 1, "sha256": "0"}}'
    rest = '"format": "", "config": {}, "inputs": {}, "counts": {}, "content_sha256": ""'
    return f'{{"shards": [{shard}], {rest}}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"shards": []}', "is damaged"),
        ('{"shards": [{"path": 1}]}', "is damaged"),
        (_with_path("1"), "is damaged"),
        (_with_path('"a\\u0000b"'), "is damaged"),
        (_with_path('"loop"'), "is damaged"),
    ],
)
def test_damaged_manifests_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "path", ["../a.arrow", "/etc/passwd", "x/../../a.arrow", "link", "up/b", "."]
)
def test_manifests_name_only_what_is_in_their_folder(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    manifest = _manifest(folder)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "up").symlink_to(tmp_path)
    outside = dataclasses.replace(manifest.shards[0], path=path)
    write_manifest(folder, dataclasses.replace(manifest, shards=(outside,)))
    with pytest.raises(DataError, match="leaves its folder"):
        read_manifest(folder)


def test_a_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    manifest = _manifest(folder)
    write_manifest(folder, manifest)
    (tmp_path / "link").symlink_to(folder)
    assert read_manifest(tmp_path / "link") == manifest


def test_missing_and_newer_manifests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not complete"):
        read_manifest(tmp_path)
    write_manifest(tmp_path, dataclasses.replace(_manifest(tmp_path), version=99))
    with pytest.raises(DataError, match="version 99"):
        read_manifest(tmp_path)


def test_sentences_of_the_first_version_are_refused_by_name(tmp_path: Path) -> None:
    """Their files did not hold ranges of partitions."""
    old = dataclasses.replace(_manifest(tmp_path), format="bertdata-sentences", version=1)
    write_manifest(tmp_path, old)
    with pytest.raises(
        DataError, match="has version 1, this program reads 2; make the stage again"
    ):
        read_manifest(tmp_path)
    made = make_manifest("sentences", config={}, inputs={}, counts={}, shards=[])
    assert (made.format, made.version) == ("bertdata-sentences", 2)


def test_a_name_too_long_for_a_file_is_a_finding(tmp_path: Path) -> None:
    shard = Shard(path="a" * 5000, rows=1, bytes=1, sha256="")
    manifest = make_manifest("sentences", config={}, inputs={}, counts={}, shards=[shard])
    (line,) = find_damage(tmp_path, manifest)
    assert line.endswith("File name too long")


@pytest.mark.parametrize("data", [b"[" * 100_000, b"{}", b"[]", b"\xff", b'{"shards": [3]}', b""])
def test_what_is_not_a_manifest_is_damaged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        read_manifest(tmp_path)


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "vocab"
    write_text(folder / "vocab.txt", "a\nb\n")
    write_text(folder / "other.txt", "x\n")
    shards = [describe_file(folder / name, rows=1) for name in ("vocab.txt", "other.txt")]
    check_stage(folder, ["vocab.txt"])  # nothing to compare with yet
    write_manifest(folder, make_manifest("vocab", config={}, inputs={}, counts={}, shards=shards))
    check_stage(folder, ["vocab.txt", "not-in-the-manifest"])
    (folder / "vocab.txt").write_text("b\na\n")
    check_stage(folder, ["other.txt"])
    with pytest.raises(DataError) as found:
        check_stage(folder, ["vocab.txt"])
    way_out = f"run bertdata vocab CONFIG.toml --output {tmp_path / 'run'}, which makes the same"
    assert str(found.value).startswith(f"{folder / 'vocab.txt'}: sha256 ")
    assert way_out in str(found.value)
