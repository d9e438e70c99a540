"""Whole jobs on a small corpus: the same bytes for any workers, after kills, and in plain loops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertdata.errors import BertdataError, ConfigError, DataError, InputError
from bertdata.sentences.files import iterate_sentences
from bertdata.sentences.punkt_training import read_parameters
from bertdata.sentences.splitter import load_splitter
from bertdata.storage.manifest import Manifest, read_manifest
from bertdata.storage.shards import Shard
from bertdata.tokens.vocabulary import read_vocabulary
from pipelines.jobs import command, examples, punkt, sentences, word_counts
from pipelines.options import RunnerConfig, beam_arguments
from pipelines.progress import (
    StagePlan,
    StageState,
    UnitRecord,
    prepare_stage,
    raise_failure,
    read_records,
    write_plan,
    write_record,
)
from pipelines.units import Round, Unit, WorkOnUnit, prepare_worker, take_worker
from tests.pipelines.corpus import Stages, write_books
from vocab.config import VocabConfig


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "books"
    write_books(folder)
    return folder


def make(plan: StagePlan, job: object, workers: int = 1) -> Manifest:
    write_plan(plan)
    options = beam_arguments(RunnerConfig(workers=workers))
    return command.run(plan, job.JOB, options)  # type: ignore[attr-defined]


def make_all(stages: Stages, workers: int = 1) -> list[str]:
    return [
        make(stages.sentences(), sentences, workers).content_sha256,
        make(stages.vocabulary(), word_counts, workers).content_sha256,
        make(stages.examples(), examples, workers).content_sha256,
    ]


@pytest.fixture(scope="module")
def finished(books: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stages, list[str]]:
    stages = Stages(books, tmp_path_factory.mktemp("finished"))
    return stages, make_all(stages)


def test_two_workers_write_the_same_bytes(
    books: Path, finished: tuple[Stages, list[str]], tmp_path: Path
) -> None:
    assert make_all(Stages(books, tmp_path), workers=2) == finished[1]


def test_a_manifest_comes_when_all_it_names_is_on_disk(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    stages = Stages(books, tmp_path)
    make_all(stages)
    for plan in (stages.sentences(), stages.vocabulary(), stages.examples()):
        shards = read_manifest(plan.path).shards
        # When each was synced last: before it was there another file may have had its number.
        manifest, *files = (
            max(when for when, number in enumerate(synced) if number == path.stat().st_ino)
            for path in (plan.path / name for name in ("manifest.json", *(s.path for s in shards)))
        )
        assert files
        assert max(files) < manifest


def test_another_seed_writes_others(
    books: Path, finished: tuple[Stages, list[str]], tmp_path: Path
) -> None:
    hashes = make_all(Stages(books, tmp_path, seed=2))
    assert hashes[1] == finished[1][1]  # words are counted, whatever the seed
    assert hashes[2] != finished[1][2]


def test_sentences_are_punkts(finished: tuple[Stages, list[str]], books: Path) -> None:
    stages, _ = finished
    splitter = load_splitter("english")
    expected = sorted(s for book in books.iterdir() for s in splitter.split(book.read_text()))
    folder = stages.output / "sentences"
    found = [
        s for f in folder.glob("sentences-*") for b in iterate_sentences(f) for s in b.to_pylist()
    ]
    assert sorted(found) == expected
    assert "Smith Mr. home" in " ".join(found)


def test_a_punkt_model_of_the_corpus(books: Path, tmp_path: Path) -> None:
    hashes = []
    for workers in (1, 2):
        stages = Stages(books, tmp_path / str(workers))
        manifest = make(stages.punkt(), punkt, workers)
        assert manifest.counts["paragraphs"] == 80
        assert [path.name for path in sorted(stages.punkt().path.iterdir())] == [
            "manifest.json",
            "punkt.json",
        ]
        parameters = read_parameters(stages.punkt().path / "punkt.json")
        assert parameters.ortho_context["river"]
        sentence_manifest = make(stages.sentences("train"), sentences, workers)
        assert sentence_manifest.config["punkt"]["content_sha256"] == manifest.content_sha256
        hashes.append((manifest.content_sha256, sentence_manifest.content_sha256))
    assert hashes[0] == hashes[1]


def test_no_text_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text(" ")
    with pytest.raises(InputError, match="no text to train a Punkt model on"):
        make(Stages(tmp_path / "books", tmp_path / "out").punkt(), punkt)


def test_the_folder_holds_what_the_manifest_says(finished: tuple[Stages, list[str]]) -> None:
    stages, _ = finished
    for stage in ("sentences", "vocab", "examples"):
        folder = stages.output / stage
        manifest = read_manifest(folder)
        names = {path.name for path in folder.iterdir()}
        assert names == {"manifest.json", *(shard.path for shard in manifest.shards)}
    assert {f"train-0000{n}-of-00003.arrow" for n in range(3)} < names
    assert "validation-00000-of-00001.arrow" in names
    counts = manifest.counts
    assert counts["train"]["examples"] > 40
    assert counts["validation"]["examples"] > 0
    assert manifest.inputs["vocabulary"]["size"] == 60


def test_train_and_validation_share_no_document(finished: tuple[Stages, list[str]]) -> None:
    stages, _ = finished

    def ids(split: str) -> set[int]:
        files = (stages.output / "examples").glob(f"{split}-*")
        tables = [pa.ipc.open_file(file).read_all() for file in files]
        return {i for table in tables for i in table["document_id"].to_pylist()}

    assert ids("train")
    assert ids("validation")
    assert not ids("train") & ids("validation")


def test_a_finished_stage_is_done_and_a_foreign_one_refused(
    finished: tuple[Stages, list[str]], books: Path
) -> None:
    stages, _ = finished
    assert prepare_stage(stages.sentences()) is StageState.COMPLETE
    assert prepare_stage(stages.examples()) is StageState.COMPLETE
    with pytest.raises(ConfigError, match="seed was 1, now 9"):
        prepare_stage(Stages(books, stages.output, seed=9).sentences())


def test_finished_units_are_not_done_again(
    finished: tuple[Stages, list[str]], books: Path, tmp_path: Path
) -> None:
    plan = Stages(books, tmp_path).sentences()
    write_plan(plan)
    work = sentences.open_worker(plan.path, plan.spec)
    first = work(plan.units[0])
    write_record(plan.path, first)
    times = {shard.path: (plan.path / shard.path).stat().st_mtime_ns for shard in first.shards}
    assert make(plan, sentences).content_sha256 == finished[1][0]
    final = {plan.path / name.removeprefix(".progress/"): at for name, at in times.items()}
    kept = {path: at for path, at in final.items() if not path.name.startswith("fingerprints-")}
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_and_rerun_end_with_the_same_bytes(
    workers: int, finished: tuple[Stages, list[str]], books: Path, tmp_path: Path
) -> None:
    stages = Stages(books, tmp_path)
    make(stages.sentences(), sentences)
    make(stages.vocabulary(), word_counts)
    plan = stages.examples()
    arguments = [
        f"--plan={write_plan(plan)}",
        f"--report={tmp_path / 'report.json'}",
        *beam_arguments(RunnerConfig(workers=workers)),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.jobs.examples", *arguments], start_new_session=True
    )
    while not read_records(plan.path) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert make(plan, examples, workers).content_sha256 == finished[1][2]


def test_one_worker_reads_many_pools_into_one_shard(
    finished: tuple[Stages, list[str]], books: Path, tmp_path: Path
) -> None:
    stages, _ = finished
    plan = stages.examples()
    unit = {"unit": 1, "split": "train", "pools": [[0, 1], [0, 1]], "shards": [0], "num_shards": 1}
    record = examples.open_worker(tmp_path, plan.spec)(unit)
    whole = {**unit, "pools": [[0, 1]]}
    once = examples.open_worker(tmp_path / "once", plan.spec)(whole)
    assert record.counts["examples"] == 2 * once.counts["examples"]
    assert [shard.rows for shard in record.shards] == [record.counts["examples"]]


def test_a_given_vocabulary_is_taken_over(
    finished: tuple[Stages, list[str]], books: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given.txt"
    given.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n.\n")
    plan = Stages(books, tmp_path).vocabulary(VocabConfig(file=str(given)))
    manifest = make(plan, word_counts)
    assert manifest.counts == {"pieces": 7}
    assert read_vocabulary(tmp_path / "vocab" / "vocab.txt").size == 7
    assert manifest.config["vocab"]["size"] == 7


def test_stages_ask_for_those_before(books: Path, tmp_path: Path) -> None:
    stages = Stages(books, tmp_path)
    with pytest.raises(DataError, match=r"first: bertdata sentences CONFIG\.toml"):
        stages.vocabulary()
    with pytest.raises(DataError, match="first: bertdata sentences"):
        stages.examples()


def test_an_empty_corpus_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text(" \n")
    with pytest.raises(InputError, match=r"0 of 1 documents kept.*rejected: 1 empty"):
        make(Stages(tmp_path / "books", tmp_path).sentences(), sentences)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_unit_that_fails_ends_the_job_with_its_own_error(workers: int, tmp_path: Path) -> None:
    books = tmp_path / "books"
    write_books(books, 5)
    plan = Stages(books, tmp_path).sentences()
    (books / "book-03.txt").unlink()  # after the plan: vanished while the job runs
    with pytest.raises(InputError, match=r"book-03\.txt"):
        make(plan, sentences, workers)
    assert not (plan.path / "manifest.json").exists()
    write_books(tmp_path / "again", 5)
    (tmp_path / "again" / "book-03.txt").rename(books / "book-03.txt")
    plan = Stages(books, tmp_path).sentences()
    assert make(plan, sentences).counts["documents_written"] == 5


def test_units_of_a_file_that_changed_since_are_not_taken_over(tmp_path: Path) -> None:
    books = tmp_path / "books"
    write_books(books, 3)
    large = "\n\n".join(f"It is sentence {number} of many." for number in range(70_000))
    (books / "large.txt").write_text(large)  # samples of it are compared, not all
    stages = Stages(books, tmp_path)
    plan = stages.sentences()
    write_plan(plan)
    work = sentences.open_worker(plan.path, plan.spec)
    for unit in plan.units:
        write_record(plan.path, work(unit))
    (books / "large.txt").write_text(large.replace(" 3300 ", " 0033 "))
    again = stages.sentences()
    assert again.inputs == plan.inputs
    assert prepare_stage(again) is not StageState.COMPLETE
    assert read_records(plan.path) == {}
    write_plan(again)
    work = sentences.open_worker(again.path, again.spec)
    write_record(again.path, work(again.units[0]))
    (books / "book-01.txt").write_text("Something else.")
    with pytest.raises(ConfigError, match=r"books\.book-01\.txt\.bytes was \d+, now 15"):
        prepare_stage(stages.sentences())


def test_a_vocabulary_that_changes_while_it_is_taken_over(
    finished: tuple[Stages, list[str]], tmp_path: Path
) -> None:
    given = tmp_path / "vocab.txt"
    given.write_bytes((finished[0].output / "vocab" / "vocab.txt").read_bytes())
    plan = Stages(tmp_path, tmp_path).vocabulary(VocabConfig(file=str(given)))
    given.write_text(given.read_text() + "another\n")
    with pytest.raises(InputError, match=r"vocab\.txt changed while it was read"):
        word_counts.finish(plan, {})


def test_the_command_reports_and_exits(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Stages(books, tmp_path).sentences()
    report = tmp_path / "report.json"
    arguments = [f"--plan={write_plan(plan)}", f"--report={report}"]
    options = beam_arguments(RunnerConfig(workers=1))
    assert command.main(sentences.JOB, [*arguments, *options]) == 0
    assert len(json.loads(report.read_text())["content_sha256"]) == 64
    vocabulary = Stages(books, tmp_path).vocabulary(VocabConfig(size=5000))
    arguments[0] = f"--plan={write_plan(vocabulary)}"
    assert command.main(word_counts.JOB, [*arguments, *options]) == 1
    error = json.loads(report.read_text())["error"]
    assert error["type"] == "VocabularyError"
    assert error["message"] in capsys.readouterr().err


def test_lost_files_are_noticed(finished: tuple[Stages, list[str]]) -> None:
    stages, _ = finished
    with pytest.raises(DataError, match="lost files"):
        examples.finish(stages.examples(), {})
    with pytest.raises(DataError, match="lost files"):
        word_counts.finish(stages.vocabulary(), {})


def test_a_corpus_without_training_examples_is_refused(finished: tuple[Stages, list[str]]) -> None:
    plan = finished[0].examples()
    names = ("examples", "pieces", "predicted", "masked", "kept", "replaced", "random_next")
    counts = dict.fromkeys(names, 0)
    records = {
        unit["unit"]: UnitRecord(
            unit=unit["unit"], shards=(), counts={**counts, "split": unit["split"]}
        )
        for unit in plan.units
    }
    with pytest.raises(BertdataError, match="too small for a single training example"):
        examples.finish(plan, records)


def test_progress_says_how_far_it_is(finished: tuple[Stages, list[str]]) -> None:
    plan = finished[0].sentences()
    counts = {"documents_written": 1200, "text_bytes": 3_000_000}
    record = UnitRecord(unit=0, shards=(), counts=counts)
    line = command.progress_line(plan, {0: record}, at_start=0, seconds=2.0)
    assert line.startswith(f"sentences: 1 of {len(plan.units)} parts, 1,200 documents")
    assert "3,000,000 bytes of text, 1.5 MB/s" in line
    assert line.endswith("s left")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_shards_hold_the_same_examples(
    compression: str, finished: tuple[Stages, list[str]], tmp_path: Path
) -> None:
    stages, _ = finished
    plan = stages.examples()

    def make(name: str, compression: str) -> UnitRecord:
        table = {**plan.spec["examples"], "compression": compression}
        spec = {**plan.spec, "examples": table}
        return examples.open_worker(tmp_path / name, spec)(plan.units[0])

    plain, packed = make("plain", "none"), make("packed", compression)
    assert sum(s.bytes for s in packed.shards) < sum(s.bytes for s in plain.shards)
    for shard in plain.shards:
        tables = [
            pa.ipc.open_file(tmp_path / name / shard.path).read_all()
            for name in ("plain", "packed")
        ]
        assert tables[0].equals(tables[1])


def test_workers_take_the_next_unit_and_none_twice(tmp_path: Path) -> None:
    """Where one unit takes as long as all others together, another worker does these."""
    plan = _plan(tmp_path, 9)
    options = beam_arguments(RunnerConfig(workers=2))
    command.run_missing_units([Round(plan=plan, open_worker=open_napper)], options)
    done = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(int(unit) for _, unit in done) == list(range(9))
    shares = Counter(process for process, _ in done)
    assert sorted(shares.values()) == [1, 8]


def open_napper(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Work that notes who did what; unit 0 takes until the others are done."""
    done = folder / "done"

    def nap(unit: Unit) -> UnitRecord:
        deadline = time.monotonic() + 60
        while not unit["unit"] and time.monotonic() < deadline:
            if done.exists() and len(done.read_text().splitlines()) == 8:
                break
            time.sleep(0.01)
        with done.open("a") as file:
            file.write(f"{os.getpid()} {unit['unit']}\n")
        return UnitRecord(unit=unit["unit"], shards=(), counts={})

    return nap


def test_later_rounds_wait_and_a_failure_stops_them(tmp_path: Path) -> None:
    rounds = [Round(plan=_plan(tmp_path / name, 2), open_worker=open_failing) for name in "ab"]
    with pytest.raises(InputError, match="unit 1 of a"):
        command.run_missing_units(rounds, beam_arguments(RunnerConfig(workers=1)))
    assert not (tmp_path / "b" / "seen").exists()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("widths", [(3, 7, 2), (1, 1), (5, 1, 4)])
def test_a_round_begins_when_all_before_it_is_done(
    widths: tuple[int, ...], workers: int, tmp_path: Path
) -> None:
    rounds = [
        Round(plan=_plan(tmp_path / str(number), width), open_worker=open_noter)
        for number, width in enumerate(widths)
    ]
    command.run_missing_units(rounds, beam_arguments(RunnerConfig(workers=workers)))
    done = (tmp_path / "done").read_text().split()
    assert [line[0] for line in done] == sorted(line[0] for line in done)
    assert sorted(done) == [
        f"{n}-{unit}" for n, width in enumerate(widths) for unit in range(width)
    ]


def open_noter(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Work that notes what was done, for all rounds in one file."""

    def note(unit: Unit) -> UnitRecord:
        with (folder.parent / "done").open("a") as file:
            file.write(f"{folder.name}-{unit['unit']}\n")
        return UnitRecord(unit=unit["unit"], shards=(), counts={})

    return note


def test_a_worker_is_prepared_for_its_first_round_alone(tmp_path: Path) -> None:
    opened: list[Path] = []

    def open_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
        opened.append(folder)
        return open_noter(folder, spec)

    plan = _plan(tmp_path / "a", 2)
    first, second = (Round(plan=plan, open_worker=open_worker, number=n) for n in (0, 1))
    command.begin_rounds([first, second])
    prepare_worker(first, tmp_path / "a")
    assert opened == [tmp_path / "a"]
    later = take_worker(second, tmp_path / "a")
    worker = take_worker(first, tmp_path / "a")
    worker.take_units(plan.units)
    assert len(opened) == 1
    later.run(plan.units[0])
    assert len(opened) == 2
    assert take_worker(first, tmp_path / "a") is not worker


def test_what_goes_wrong_while_a_worker_is_prepared_is_met_later(tmp_path: Path) -> None:
    def open_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
        raise InputError("not to be opened")

    plan = _plan(tmp_path / "a", 2)
    round_ = Round(plan=plan, open_worker=open_worker)
    command.begin_rounds([round_])
    prepare_worker(round_, tmp_path / "a")
    take_worker(round_, tmp_path / "a").take_units(plan.units)
    with pytest.raises(InputError, match="not to be opened"):
        raise_failure(tmp_path / "a")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_never_reached_the_disk_is_no_record(workers: int, tmp_path: Path) -> None:
    """Also where it is the last one's, and nothing comes after it."""
    round_ = Round(plan=_plan(tmp_path, 1), open_worker=open_forgetter)
    with pytest.raises(BertdataError, match=r"cannot write .*lost\.arrow: No such file"):
        command.run_missing_units([round_], beam_arguments(RunnerConfig(workers=workers)))
    assert read_records(tmp_path) == {}


def open_forgetter(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Work that says it wrote what is not there."""
    lost = Shard(path="lost.arrow", rows=1, bytes=1, sha256="")
    return lambda unit: UnitRecord(unit=unit["unit"], shards=(lost,), counts={})


def _plan(folder: Path, num_units: int) -> StagePlan:
    return StagePlan(
        stage=folder.name,
        folder=str(folder),
        config={},
        inputs={},
        units=tuple({"unit": unit} for unit in range(num_units)),
        spec={},
        text_bytes=0,
    )


def open_failing(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Work that fails in unit 1."""

    def work(unit: Unit) -> UnitRecord:
        (folder / "seen").touch()
        if unit["unit"]:
            raise InputError(f"unit 1 of {folder.name}")
        return UnitRecord(unit=unit["unit"], shards=(), counts={})

    return work
