"""A stage compares what it reads with what the stage before wrote, before it uses it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import DataError
from bertdata.progress.state import StageState, prepare_stage
from bertdata.storage.manifest import check_shard, read_manifest
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`books/`, and a whole run in `run/`."""
    folder = tmp_path_factory.mktemp("made")
    write_books(folder / "books", 12)
    stages = Stages(folder / "books", folder / "run")
    for plan_stage in (stages.sentences, stages.vocabulary, stages.examples):
        make_stage(plan_stage())
    return folder


@pytest.fixture
def stages(made: Path, tmp_path: Path) -> Stages:
    shutil.copytree(made / "run", tmp_path / "run")
    return Stages(made / "books", tmp_path / "run")


def swap_two_lines(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[-2:] = reversed(lines[-2:])
    path.write_text("".join(lines))


def change_a_letter(path: Path) -> None:
    data = path.read_bytes()
    assert b"The end." in data
    path.write_bytes(data.replace(b"The end.", b"The fnd.", 1))


def first_sentences(stages: Stages) -> Path:
    return min((stages.output / "sentences").glob("sentences-*.arrow"))


def test_swapped_lines_of_the_vocabulary(stages: Stages) -> None:
    """The way out keeps the examples that were made with the right one."""
    path = stages.output / "vocab" / "vocab.txt"
    before = read_manifest(path.parent).content_sha256
    swap_two_lines(path)
    with pytest.raises(DataError) as found:
        stages.examples()
    assert str(found.value).startswith(f"{path}: sha256 ")
    assert f"run bertdata vocab CONFIG.toml --output {stages.output}, which" in str(found.value)
    path.unlink()
    assert prepare_stage(stages.vocabulary()) is not StageState.COMPLETE
    assert make_stage(stages.vocabulary()).content_sha256 == before
    assert prepare_stage(stages.examples()) is StageState.COMPLETE


@pytest.mark.parametrize("name", ["sentences", "vocabulary", "examples"])
def test_the_way_out_of_a_damaged_manifest(stages: Stages, name: str) -> None:
    plan = getattr(stages, name)()
    path = plan.folder / "manifest.json"
    before = path.read_bytes()
    path.write_bytes(before[:-9])
    with pytest.raises(DataError) as found:
        prepare_stage(plan)
    way_out = f"delete it (only this file) and run again the command that made {plan.folder}"
    assert str(found.value).endswith(way_out)
    path.unlink()
    make_stage(plan)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["vocab", "examples"])
def test_a_changed_letter_in_the_sentences(stages: Stages, name: str) -> None:
    path = first_sentences(stages)
    change_a_letter(path)
    before = read_manifest(stages.output / name).content_sha256
    shutil.rmtree(stages.output / name)
    plan = stages.vocabulary() if name == "vocab" else stages.examples()
    with pytest.raises(DataError) as found:
        make_stage(plan)
    assert str(found.value).startswith(f"{path}: sha256 ")
    assert "run bertdata sentences CONFIG.toml" in str(found.value)
    assert not (plan.folder / "manifest.json").exists()
    path.unlink()
    assert prepare_stage(stages.sentences()) is StageState.DAMAGED
    make_stage(stages.sentences())
    assert make_stage(plan).content_sha256 == before


def test_a_file_is_checked_once_by_all_workers(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And again when the stage is tried again."""
    checked: list[str] = []

    def note(folder: Path, shard: Any, kind: str) -> None:
        checked.append(shard.path)
        check_shard(folder, shard, kind)

    monkeypatch.setattr("pipelines.stages.examples.check_shard", note)
    shutil.rmtree(stages.output / "examples")
    plan = stages.examples()
    assert len(plan.units) > 1
    make_stage(plan)
    assert checked == [path.name for path in (stages.output / "sentences").glob("sentences-*")]
    change_a_letter(first_sentences(stages))
    (stages.output / "examples" / "manifest.json").unlink()
    with pytest.raises(DataError, match="sha256"):
        make_stage(plan)


def test_a_vocabulary_that_changes_after_the_plan(stages: Stages) -> None:
    shutil.rmtree(stages.output / "examples")
    plan = stages.examples()
    swap_two_lines(stages.output / "vocab" / "vocab.txt")
    with pytest.raises(DataError, match=r"vocab\.txt changed while it was read; run again"):
        make_stage(plan)
