"""Lines about how far a stage is: parts done, speed, time left; none where nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bertdata.progress import lines as progress_lines
from bertdata.progress.lines import ProgressLines
from bertdata.progress.plan import StagePlan
from bertdata.progress.workplace import FileRecord
from bertdata.storage.manifest import read_manifest
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage
from vocab.config import VocabConfig


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagePlan:
    """Of several units and one file."""
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 2000)
    monkeypatch.setattr(progress_lines, "_SECONDS", 0.02)
    write_books(tmp_path / "books", 12)
    return Stages(tmp_path / "books", tmp_path).sentences()


def test_lines_come_when_parts_are_done(plan: StagePlan) -> None:
    lines: list[str] = []
    waiting = plan.workplace.waiting
    waiting.mkdir(parents=True)
    total = len(plan.units) + 1
    assert total > 3
    with ProgressLines(plan, waiting, lambda progress: lines.append(str(progress))):
        time.sleep(0.1)
        assert lines == []  # silence, while nothing is written
        _write_until_reported(waiting / "documents-00000-00000.arrow", lines)
        (waiting / "documents-00000-00001-last.arrow").write_bytes(b"x")
        _wait_until(lambda: "1 of" in lines[-1])
    assert lines[0] == f"sentences: 0 of {total} parts"
    assert lines[-1].startswith(f"sentences: 1 of {total} parts, ")
    assert lines[-1].endswith(" s left")
    assert " MB/s, about " in lines[-1]


def test_what_an_earlier_run_finished_is_not_this_one_s_speed(plan: StagePlan) -> None:
    lines: list[str] = []
    plan.workplace.write_record(FileRecord(number=0, shards=(), counts={}))
    with ProgressLines(plan, None, lambda progress: lines.append(str(progress))):
        _write_until_reported(plan.workplace.folder / "other.json", lines)
    assert set(lines) == {"sentences: 1 of 1 parts"}


def _write_until_reported(path: Path, lines: list[str]) -> None:
    """Write more and more, since the first look may come late."""

    def is_told() -> bool:
        with path.open("ab") as file:
            file.write(b"x")
        return bool(lines)

    _wait_until(is_told)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_so()


@pytest.mark.parametrize("stage", ["punkt", "sentences", "vocab", "examples", "given"])
def test_every_stage_has_as_many_parts_as_it_finishes(
    stage: str, plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left when a stage is done: at the end its lines say that all parts are."""
    stages = Stages(plan.folder.parent / "books", plan.folder.parent)
    if stage in ("vocab", "examples"):
        make_stage(stages.sentences())
    if stage == "examples":
        make_stage(stages.vocabulary())
    given = stages.output / "given.txt"
    given.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n")
    make = {
        "punkt": stages.punkt,
        "sentences": stages.sentences,
        "vocab": stages.vocabulary,
        "examples": stages.examples,
        "given": lambda: stages.vocabulary(VocabConfig(file=str(given))),
    }
    made = make[stage]()
    monkeypatch.setattr("pipelines.run.clear_progress", lambda folder: None)
    monkeypatch.setattr("pipelines.run.remove_folder", lambda folder: None)
    make_stage(made)
    lines = ProgressLines(made, made.workplace.waiting, print)
    done, _ = lines._look()
    assert done == lines._total


def test_the_time_left_is_that_of_the_parts_of_this_run(
    tmp_path: Path,
) -> None:
    plan = StagePlan(
        stage="examples",
        folder=tmp_path,
        config={},
        inputs={},
        text_bytes=50_000_000,
        num_parts=10,
    )
    lines = ProgressLines(plan, None, print)
    progress = lines._describe(6, 4, 10.0)
    assert str(progress) == "examples: 6 of 10 parts, 1.0 MB/s, about 20 s left"
    assert (progress.bytes, progress.total_bytes) == (30_000_000, 50_000_000)
    assert progress.documents is None  # nobody can say
    assert str(lines._describe(4, 4, 10.0)) == "examples: 4 of 10 parts"
    assert "10 of 10 parts, 4.0 MB/s, about 0 s left" in str(lines._describe(12, 4, 10.0))


def test_documents_are_counted(plan: StagePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in blocks that wait; of later stages, whose total is known, the share of the parts."""
    monkeypatch.setattr("pipelines.run.clear_progress", lambda folder: None)
    monkeypatch.setattr("pipelines.run.remove_folder", lambda folder: None)
    waiting = plan.workplace.waiting
    lines = ProgressLines(plan, waiting, print)
    assert lines._describe(0, 0, 1.0).documents == 0
    written = make_stage(plan).counts["documents_read"]
    (waiting / "documents-99999-00000.arrow").write_bytes(b"cut off by a power cut")
    progress = lines._describe(1, 0, 1.0)
    assert (progress.documents, progress.total_documents) == (written, 0)
    vocabulary = Stages(plan.folder.parent / "books", plan.folder.parent).vocabulary()
    kept = read_manifest(plan.folder).counts["documents_written"]
    counted = ProgressLines(vocabulary, vocabulary.workplace.waiting, print)
    progress = counted._describe(counted._total, 0, 1.0)
    assert (progress.documents, progress.total_documents) == (kept, kept)
    assert counted._describe(0, 0, 1.0).documents == 0
