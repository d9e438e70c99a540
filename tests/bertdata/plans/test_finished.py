"""Finished stages as later plans read them: complete, of the right kind, with a layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bertdata.corpus.partitions import Layout
from bertdata.errors import DataError
from bertdata.plans.finished import SENTENCES_FORMAT, SentencesInput, find_finished, find_sentences
from bertdata.storage.manifest import Manifest, make_manifest, write_manifest
from bertdata.storage.shards import Shard
from tests.runs import edit_manifest


def shard(path: str, rows: int) -> Shard:
    return Shard(path=path, rows=rows, bytes=100, sha256="0" * 64)


SHARDS = (
    shard("sentences-00001-of-00002.arrow", 4),
    shard("rejected-00000-of-00002.arrow", 9),
    shard("sentences-00000-of-00002.arrow", 3),
)


def sentences_of(folder: Path, **values: Any) -> Manifest:
    """The manifest of sentences in five partitions and two files, written to a folder."""
    manifest = make_manifest(
        "sentences",
        config={"seed": 7},
        inputs={},
        counts={"documents_per_partition": [1, 2, 0, 1, 3]},
        **{"shards": SHARDS, **values},
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, manifest)
    return manifest


def test_a_finished_stage_is_its_manifest(tmp_path: Path) -> None:
    manifest = sentences_of(tmp_path / "sentences")
    assert find_finished(tmp_path / "sentences", "sentences") == manifest
    assert manifest.format == SENTENCES_FORMAT


@pytest.mark.parametrize("exists", [False, True])
def test_what_is_not_finished_is_named_with_its_command(exists: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "vocab"
    if exists:
        folder.mkdir(parents=True)
        (folder / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(DataError) as caught:
        find_finished(folder, "vocab")
    assert str(caught.value) == (
        f"{folder} is missing or not complete; first: bertdata vocab CONFIG.toml "
        f"--output {tmp_path / 'run'}"
    )


def test_a_stage_of_another_kind_is_refused(tmp_path: Path) -> None:
    sentences_of(tmp_path)
    with pytest.raises(DataError) as caught:
        find_finished(tmp_path, "examples")
    assert str(caught.value) == (
        f"{tmp_path} holds bertdata-sentences, not bertdata-examples; choose another --output"
    )


def test_a_damaged_manifest_is_not_a_finished_stage(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        find_finished(tmp_path, "sentences")


def test_sentences_are_their_files_in_order_and_their_layout(tmp_path: Path) -> None:
    found = find_sentences(tmp_path, sentences_of(tmp_path))
    assert found == SentencesInput(
        folder=tmp_path,
        shards=(SHARDS[2], SHARDS[0]),
        layout=Layout(num_partitions=5, num_files=2, seed=7),
    )
    assert found.names == ["sentences-00000-of-00002.arrow", "sentences-00001-of-00002.arrow"]
    assert found.num_documents == 7


def test_sentences_without_a_document_are_still_read(tmp_path: Path) -> None:
    empty = shard("sentences-00000-of-00001.arrow", 0)
    found = find_sentences(tmp_path, sentences_of(tmp_path, shards=[empty]))
    assert (found.num_documents, found.layout.num_files) == (0, 1)


@pytest.mark.parametrize(
    ("table", "key"), [("config", "seed"), ("counts", "documents_per_partition")]
)
def test_a_manifest_without_a_layout_is_damaged(table: str, key: str, tmp_path: Path) -> None:
    sentences_of(tmp_path)
    edit_manifest(tmp_path, lambda found: found[table].pop(key))
    manifest = find_finished(tmp_path, "sentences")
    with pytest.raises(DataError, match=rf"manifest\.json is damaged \(KeyError: .*{key}"):
        find_sentences(tmp_path, manifest)
