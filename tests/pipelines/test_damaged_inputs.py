"""A stage compares what it reads with what the stage before wrote, before it uses it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from bertdata.errors import DataError
from bertdata.storage.manifest import read_manifest
from pipelines.jobs import examples, sentences, word_counts
from pipelines.progress import StagePlan, StageState, give_units_back, prepare_stage, write_record
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`books/`, and a whole run in `run/`."""
    folder = tmp_path_factory.mktemp("made")
    write_books(folder / "books", 12)
    stages = Stages(folder / "books", folder / "run")
    make_stage(stages.sentences(), sentences.JOB)
    make_stage(stages.vocabulary(), word_counts.JOB)
    make_stage(stages.examples(), examples.JOB)
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


def do_units(plan: StagePlan, job: ModuleType) -> None:
    work = job.open_worker(plan.path, plan.spec)
    for unit in plan.units:
        write_record(plan.path, work(unit))


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
    assert make_stage(stages.vocabulary(), word_counts.JOB).content_sha256 == before
    assert prepare_stage(stages.examples()) is StageState.COMPLETE


@pytest.mark.parametrize("job", [word_counts, examples])
def test_a_changed_letter_in_the_sentences(stages: Stages, job: ModuleType) -> None:
    path = first_sentences(stages)
    change_a_letter(path)
    name = "vocab" if job is word_counts else "examples"
    before = read_manifest(stages.output / name).content_sha256
    if job is word_counts:
        shutil.rmtree(stages.output / "vocab")
        plan = stages.vocabulary()
    else:
        shutil.rmtree(stages.output / "examples")
        plan = stages.examples()
    with pytest.raises(DataError) as found:
        do_units(plan, job)
    assert str(found.value).startswith(f"{path}: sha256 ")
    assert "run bertdata sentences CONFIG.toml" in str(found.value)
    path.unlink()
    assert prepare_stage(stages.sentences()) is not StageState.COMPLETE
    make_stage(stages.sentences(), sentences.JOB)
    give_units_back(plan.path)
    assert make_stage(plan, job.JOB).content_sha256 == before


def test_a_file_is_checked_once_by_all_workers(stages: Stages) -> None:
    """And again when the stage is tried again."""
    shutil.rmtree(stages.output / "examples")
    plan = stages.examples()
    unit = plan.units[0]
    examples.open_worker(plan.path, plan.spec)(unit)
    change_a_letter(first_sentences(stages))
    examples.open_worker(plan.path, plan.spec)(unit)
    give_units_back(plan.path)
    with pytest.raises(DataError, match="sha256"):
        examples.open_worker(plan.path, plan.spec)(unit)


def test_a_vocabulary_that_changes_after_the_plan(stages: Stages) -> None:
    shutil.rmtree(stages.output / "examples")
    plan = stages.examples()
    swap_two_lines(stages.output / "vocab" / "vocab.txt")
    with pytest.raises(DataError, match=r"vocab\.txt changed while it was read; run again"):
        examples.open_worker(plan.path, plan.spec)
