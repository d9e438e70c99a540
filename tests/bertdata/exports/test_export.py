"""Exports: the same bytes always, what a second one does, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.examples.config import ExamplesConfig
from bertdata.exports import export
from bertdata.exports.export import FORMATS, export_examples
from bertdata.exports.rows import Examples, open_examples
from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.manifest import read_manifest
from flows.paths import RunPaths
from flows.views.verify import verify
from tests import closing_storage
from tests.copies import copy_folder
from tests.example_folder import write_folders
from tests.runs import edit_manifest

KINDS = tuple(FORMATS)
# Of the rows of `tests.example_folder`. Never to be renewed, as others define the formats. Parquet
# has none: its bytes are those of pyarrow's version.
GOLDEN = {
    "tfrecord": "407b269ecbcd6480b65e9fcc681acf4090669f0029df38cf6d079e99ca7b99d5",
    "mds": "f4a8390034e0d853e52cff99dbdbf29f101199a5768e6f711ab3c0148f7ee257",
}


@pytest.fixture
def examples(run: RunPaths) -> Examples:
    return open_examples(run.output)


def contents(folder: Location) -> dict[str, bytes]:
    """All files of a folder, hidden ones too, by their path in it."""
    files = list_files(folder, recursive=True, with_temporary=True)
    return {file.path: read_bytes(folder / file.path) for file in files}


@pytest.mark.parametrize("kind", GOLDEN)
def test_the_bytes_are_those_of_ever(kind: str, tmp_path: Path) -> None:
    folders = write_folders(tmp_path, config={"max_seq_length": 24, "max_predictions_per_seq": 4})

    def complete(table: dict[str, Any]) -> None:
        special = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
        table["inputs"]["vocabulary"] |= {"size": folders.vocabulary.size, "special": special}

    edit_manifest(folders.examples, complete)
    export_examples(open_examples(tmp_path), tmp_path / "out", kind)
    digest = hashlib.sha256()
    for path, data in contents(tmp_path / "out").items():
        if path.endswith(f".{kind}"):
            digest.update(path.encode() + data)
    assert digest.hexdigest() == GOLDEN[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_those_of_the_shards(kind: str, examples: Examples, tmp_path: Path) -> None:
    manifest = export_examples(examples, tmp_path / "out", kind)
    names = {shard.path.removesuffix(".arrow"): shard.rows for shard in examples.manifest.shards}
    found = {
        Path(shard.path).name.removesuffix(f".{kind}"): shard.rows
        for shard in manifest.shards
        if shard.path.endswith(f".{kind}")
    }
    assert found == names
    counts = {split: counts["examples"] for split, counts in manifest.counts.items()}
    assert counts == {
        split: examples.manifest.counts[split]["examples"] for split in ("train", "validation")
    }
    assert manifest.inputs["examples"]["content_sha256"] == examples.manifest.content_sha256
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("kind", KINDS)
def test_another_storage_gets_the_same_bytes(
    kind: str, run: RunPaths, examples: Examples, tmp_path: Path, s3: Address
) -> None:
    assert isinstance(run.output, Path)
    closing_storage.register()
    copy_folder(run.output, s3 / "run")
    export_examples(examples, tmp_path / "out", kind)
    export_examples(open_examples(s3 / "run"), s3 / "out", kind)
    export_examples(examples, locate(f"closing://{tmp_path}/closing"), kind)
    wanted = contents(tmp_path / "out")
    assert contents(s3 / "out") == contents(tmp_path / "closing") == wanted
    assert verify(s3 / "out") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_export_changes_nothing(kind: str, examples: Examples, tmp_path: Path) -> None:
    lines: list[str] = []
    first = export_examples(examples, tmp_path / "out", kind, lines.append)
    assert lines[-1].endswith(f": {len(lines)} of {len(examples.manifest.shards)} files")
    (tmp_path / "out" / "README.md").write_text("licence: mine")
    before = contents(tmp_path / "out")
    assert export_examples(examples, tmp_path / "out", kind, pytest.fail) == first
    assert contents(tmp_path / "out") == before
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["path", "address"])
def test_a_killed_export_is_finished(
    kind: str,
    place: str,
    examples: Examples,
    tmp_path: Path,
    s3: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "out" if place == "path" else s3 / "out"
    export_examples(examples, tmp_path / "undisturbed", kind)
    written: list[str] = []

    def write(path: Path, rows: Any) -> None:
        written.append(rows.path.name)
        if len(written) == 3:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        FORMATS[kind](path, rows)

    with monkeypatch.context() as patched:
        patched.setattr(export, "FORMATS", {kind: write})
        with pytest.raises(KeyboardInterrupt):
            export_examples(examples, output, kind)
        assert sum(path.endswith(f".{kind}") for path in contents(output)) == 2
        assert verify(output) != []
        export_examples(examples, output, kind)
    assert len(written) == len(set(written)) + 1  # only the one that was cut off is repeated
    assert contents(output) == contents(tmp_path / "undisturbed")


def test_what_a_killed_process_left_is_removed(examples: Examples, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / "train").mkdir(parents=True)
    (output / ".export.json").write_text(
        json.dumps(
            {
                "format": "bertdata-mds",
                "inputs": {"examples": {"content_sha256": examples.manifest.content_sha256}},
            }
        )
    )
    (output / ".x.0a.tmp").write_bytes(b"x")
    (output / "train" / ".y.0b.tmp").write_bytes(b"x")
    export_examples(examples, output, "mds")
    assert verify(output) == []


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_cut_files_are_written_again(
    kind: str, examples: Examples, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    export_examples(examples, output, kind)
    before = contents(output)
    first, second, *_ = sorted(output.rglob(f"train-*.{kind}"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    export_examples(examples, output, kind)
    assert contents(output) == before


def test_a_folder_with_anything_else_is_refused(
    run: RunPaths, examples: Examples, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds something else, such as thesis\.txt; choose"):
        export_examples(examples, output, "mds")
    assert [path.name for path in output.iterdir()] == ["thesis.txt"]
    (output / "thesis.txt").unlink()
    (output / "photos").mkdir()
    with pytest.raises(ConfigError, match="such as photos"):
        export_examples(examples, output, "mds")
    with pytest.raises(ConfigError, match="holds another stage, or an export"):
        export_examples(examples, run.vocab, "mds")


def test_another_export_is_refused(examples: Examples, tmp_path: Path) -> None:
    output = tmp_path / "out"
    export_examples(examples, output, "parquet")
    before = contents(output)
    with pytest.raises(ConfigError, match="in another format; choose another --output or delete"):
        export_examples(examples, output, "mds")
    assert contents(output) == before


def test_an_unfinished_export_of_other_examples_is_refused(
    examples: Examples, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    plan = {"format": "bertdata-mds", "inputs": {"examples": {"content_sha256": "other"}}}
    (output / ".export.json").write_text(json.dumps(plan))
    with pytest.raises(ConfigError, match="an export of other examples"):
        export_examples(examples, output, "mds")


def test_unknown_format(examples: Examples, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="format must be one of tfrecord, parquet, mds; got 'x'"):
        export_examples(examples, tmp_path, "x")


def test_a_damaged_shard_is_not_exported(run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.examples, Path)
    copy_folder(run.examples, tmp_path / "examples")
    shard = tmp_path / "examples" / "train-00001-of-00003.arrow"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"train-00001-of-00003.arrow: sha256"):
        export_examples(open_examples(tmp_path), tmp_path / "out", "parquet")


def test_there_must_be_examples(run: RunPaths, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no finished examples; first: bertdata examples"):
        open_examples(tmp_path)
    with pytest.raises(DataError, match="holds bertdata-vocab, not bertdata-examples"):
        open_examples(run.vocab)
    assert open_examples(run.examples) == open_examples(run.output)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table["inputs"].pop("vocabulary"),
        lambda table: table["inputs"]["vocabulary"].update(special=None),
        lambda table: table["inputs"]["vocabulary"]["special"].update(pad=-1),
        lambda table: table["inputs"]["vocabulary"].update(size=1 << 70),
        lambda table: table["config"].update(examples={"max_seq_length": "long"}),
        lambda table: table.update(config=[]),
    ],
)
def test_a_damaged_manifest_is_one_line(change: Any, run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.examples, Path)
    copy_folder(run.examples, tmp_path / "examples")
    edit_manifest(tmp_path / "examples", change)
    with pytest.raises(DataError, match=r"manifest.json is damaged"):
        open_examples(tmp_path)


def test_a_full_disk_is_one_line(
    examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, rows: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "FORMATS", {"mds": write})
    with pytest.raises(BertdataError, match=r"cannot write .*mds: No space left on device"):
        export_examples(examples, tmp_path / "out", "mds")


def test_shards_without_rows(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_train=2, config={"max_predictions_per_seq": 4})

    def complete(table: dict[str, Any]) -> None:
        table["inputs"]["vocabulary"] |= {"size": 50, "special": {"pad": 0}}

    edit_manifest(folders.examples, complete)
    for kind in KINDS:
        manifest = export_examples(open_examples(tmp_path), tmp_path / kind, kind)
        assert read_manifest(tmp_path / kind) == manifest
        assert manifest.counts["train"]["examples"] == 2
    index = json.loads((tmp_path / "mds" / "train" / "index.json").read_bytes())
    assert [shard["samples"] for shard in index["shards"]] == [1, 1]
    assert ExamplesConfig(max_predictions_per_seq=4) == open_examples(tmp_path).config
