"""Whole stages on a small corpus: the same bytes for any runner and after kills."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apache_beam.runners.runner import PipelineRunner

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.errors import BertdataError, ConfigError, CrashError, DataError, InputError
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, prepare_stage, write_plan
from bertdata.progress.workplace import FOLDER
from bertdata.sentences.files import iterate_sentences
from bertdata.sentences.punkt_training import read_parameters
from bertdata.sentences.splitter import SentencesConfig, load_splitter
from bertdata.storage.manifest import read_manifest
from bertdata.tokens.vocabulary import read_vocabulary
from flows.processes.jobs import JobDiedError, run_job
from pipelines import run
from pipelines.options import RunnerConfig
from pipelines.stages import examples, vocabulary
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage
from vocab.config import VocabConfig

ONE, TWO = RunnerConfig(workers=1), RunnerConfig(workers=2)
SHUFFLED = RunnerConfig(workers=1, spill="none")
REPEATED = RunnerConfig(workers=1, options=("--direct_runner_bundle_repeat=1",))


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "books"
    write_books(folder)
    return folder


def make_all(stages: Stages, runner: RunnerConfig = ONE) -> list[str]:
    made = (
        make_stage(stages.sentences(), runner),
        make_stage(stages.vocabulary(), runner),
        make_stage(stages.examples(), runner),
    )
    return [manifest.content_sha256 for manifest in made]


@pytest.fixture(scope="module")
def finished(books: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stages, list[str]]:
    stages = Stages(books, tmp_path_factory.mktemp("finished"))
    return stages, make_all(stages)


def copy_before_examples(finished: tuple[Stages, list[str]], books: Path, folder: Path) -> Stages:
    """Stages in a folder of their own, of which all but the examples are finished."""
    for stage in ("sentences", "vocab"):
        shutil.copytree(finished[0].output / stage, folder / stage)
    return Stages(books, folder)


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several units, files and buckets."""
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 2000)
    monkeypatch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 5000)
    monkeypatch.setattr("vocab.plan._WORD_BUCKET_BYTES", 5000)
    monkeypatch.setattr("bertdata.corpus.partitions._PARTITION_BYTES", 1000)
    monkeypatch.setattr("bertdata.corpus.partitions._MIN_FILE_BYTES", 4000)


def refuse(*arguments: Any) -> Any:
    """Stands for what a test expects not to be done, or to fail."""
    raise AssertionError("not to be called")


def failing_after(count: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, until it was called so many times."""
    calls: list[int] = []

    def call(*arguments: Any) -> Any:
        calls.append(1)
        return function(*arguments) if len(calls) <= count else refuse()

    return call


@pytest.mark.usefixtures("small_files")
def test_any_runner_writes_the_same_many_files(books: Path, tmp_path: Path) -> None:
    hashes = [
        make_all(Stages(books, tmp_path / str(number)), runner)
        for number, runner in enumerate((ONE, SHUFFLED, REPEATED))
    ]
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(list((tmp_path / "0" / "sentences").glob("sentences-*"))) > 3


def test_a_manifest_comes_when_all_it_names_is_on_disk(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    stages = Stages(books, tmp_path)
    make_all(stages)
    for plan in (stages.sentences(), stages.vocabulary(), stages.examples()):
        folder = tmp_path / plan.stage
        shards = read_manifest(folder).shards
        # When each was synced last: before it was there another file may have had its number.
        manifest, *files = (
            max(when for when, number in enumerate(synced) if number == path.stat().st_ino)
            for path in (folder / name for name in ("manifest.json", *(s.path for s in shards)))
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
    for number, runner in enumerate((ONE, SHUFFLED)):
        stages = Stages(books, tmp_path / str(number))
        manifest = make_stage(stages.punkt(), runner)
        assert manifest.counts["paragraphs"] == 80
        folder = stages.output / "punkt"
        assert {path.name for path in folder.iterdir()} == {"manifest.json", "punkt.json"}
        assert read_parameters(folder / "punkt.json").ortho_context["river"]
        made = make_stage(stages.sentences("train"), runner)
        assert made.config["punkt"]["content_sha256"] == manifest.content_sha256
        hashes.append((manifest.content_sha256, made.content_sha256))
    assert hashes[0] == hashes[1]


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


def test_finished_shards_are_not_made_again(
    finished: tuple[Stages, list[str]], books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = copy_before_examples(finished, books, tmp_path).examples()
    with monkeypatch.context() as patch:
        patch.setattr(examples, "write_arrow", failing_after(3, examples.write_arrow))
        with pytest.raises(AssertionError, match="not to be called"):
            make_stage(plan)
    (record,) = plan.workplace.read_records().values()
    paths = [tmp_path / "examples" / shard.path for shard in record.shards]
    written = [path.stat().st_mtime_ns for path in paths]
    assert make_stage(plan).content_sha256 == finished[1][2]
    assert [path.stat().st_mtime_ns for path in paths] == written


@pytest.mark.usefixtures("small_files")
def test_counted_files_are_not_counted_again(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(books, tmp_path)
    make_stage(stages.sentences())
    whole = make_stage(stages.vocabulary()).content_sha256
    plan = replace(stages.vocabulary(), folder=tmp_path / "again")
    with monkeypatch.context() as patch:
        patch.setattr(vocabulary, "train", refuse)
        with pytest.raises(AssertionError, match="not to be called"):
            make_stage(plan)
    monkeypatch.setattr(vocabulary, "count_words", refuse)
    assert make_stage(plan).content_sha256 == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_and_rerun_end_with_the_same_bytes(
    workers: int, finished: tuple[Stages, list[str]], books: Path, tmp_path: Path
) -> None:
    """With one worker the job itself is killed; with two, one of them."""
    plan = copy_before_examples(finished, books, tmp_path).examples()
    write_plan(plan)
    function = "tests.pipelines.runners.cut_off:run_until_a_record"
    with pytest.raises((JobDiedError, CrashError)) as failure:
        run_job(function, (plan, RunnerConfig(workers=workers)), tmp_path / "log", print)
    if workers == 1:
        assert isinstance(failure.value, JobDiedError)
        assert failure.value.status == -9
    else:
        said = "examples: a worker was killed by SIGKILL; if"
        assert str(failure.value).startswith(said)
    records = plan.workplace.read_records().values()
    paths = [tmp_path / "examples" / shard.path for record in records for shard in record.shards]
    written = [path.stat().st_mtime_ns for path in paths]
    assert written
    assert make_stage(plan).content_sha256 == finished[1][2]
    assert [path.stat().st_mtime_ns for path in paths] == written


def test_a_given_vocabulary_is_taken_over(books: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.txt"
    given.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n.\n")
    plan = Stages(books, tmp_path).vocabulary(VocabConfig(file=str(given)))
    manifest = make_stage(plan)
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
        make_stage(Stages(tmp_path / "books", tmp_path).sentences())


@pytest.mark.parametrize("runner", [ONE, TWO], ids=["one", "two"])
def test_a_unit_that_fails_ends_the_job_with_its_own_error(
    runner: RunnerConfig, tmp_path: Path
) -> None:
    books = tmp_path / "books"
    write_books(books, 5)
    plan = Stages(books, tmp_path).sentences()
    (books / "book-03.txt").unlink()  # after the plan: vanished while the job runs
    with pytest.raises(InputError, match=r"book-03\.txt"):
        make_stage(plan, runner)
    assert not (tmp_path / "sentences" / "manifest.json").exists()
    write_books(tmp_path / "again", 5)
    (tmp_path / "again" / "book-03.txt").rename(books / "book-03.txt")
    plan = Stages(books, tmp_path).sentences()
    assert make_stage(plan, runner).counts["documents_written"] == 5


def test_work_on_a_file_that_changed_since_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = tmp_path / "books"
    write_books(books, 3)
    large = "\n\n".join(f"It is sentence {number} of many." for number in range(70_000))
    (books / "large.txt").write_text(large)  # samples of it are compared, not all
    stages = Stages(books, tmp_path)
    monkeypatch.setattr("pipelines.stages.sentences.write_file", refuse)

    def make_in_vain() -> StagePlan:
        plan = stages.sentences()
        with pytest.raises(AssertionError, match="not to be called"):
            make_stage(plan)
        assert list((tmp_path / "sentences" / FOLDER).rglob("documents-*-last.arrow"))
        return plan

    plan = make_in_vain()
    (books / "large.txt").write_text(large.replace(" 3300 ", " 0033 "))
    again = stages.sentences()
    assert again.inputs == plan.inputs
    assert prepare_stage(again) is StageState.OUTDATED
    assert not (tmp_path / "sentences" / FOLDER).exists()
    make_in_vain()
    (books / "book-01.txt").write_text("Something else.")
    with pytest.raises(ConfigError, match=r"books\.book-01\.txt\.bytes was \d+, now 15"):
        prepare_stage(stages.sentences())


def test_a_stage_without_a_manifest_is_not_done(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where workers see another folder than the one that waits for them."""
    monkeypatch.setattr("pipelines.steps.write_manifest", lambda *_: None)
    with pytest.raises(DataError, match="sentences lost files while they were made; run again"):
        make_stage(Stages(books, tmp_path).sentences())


class _Broken(PipelineRunner):
    """A runner that raises this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        raise RuntimeError(self._text)


def break_runner(patch: pytest.MonkeyPatch, text: str) -> None:
    @contextlib.contextmanager
    def open_broken(config: RunnerConfig) -> Iterator[Any]:
        yield _Broken(text)

    patch.setattr(run, "open_runner", open_broken)


@pytest.mark.parametrize(
    "text",
    [
        "bertdata.errors.DataError: it is damaged",
        "bertdata.errors.DataError: it is damaged [while running 'Sentences/Run']",
        "Traceback:\n  File\nbertdata.errors.BertdataError: an earlier one\n"
        "RuntimeError: bertdata.errors.DataError: it is damaged [while running 'x']\n",
    ],
)
def test_errors_are_found_in_what_runners_make_of_them(
    text: str, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Stages(books, tmp_path).sentences()
    break_runner(monkeypatch, text)
    with pytest.raises(DataError) as found:
        make_stage(plan)
    assert str(found.value) == "it is damaged"


def test_other_errors_are_raised_as_they_are(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_runner(monkeypatch, "another")
    with pytest.raises(RuntimeError, match=r"^another$"):
        make_stage(Stages(books, tmp_path).sentences())


def test_what_was_noted_first_is_the_cause(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Stages(books, tmp_path).sentences()

    class Noting(_Broken):
        def run_pipeline(self, pipeline: Any, options: Any) -> Any:
            with contextlib.suppress(BertdataError), plan.workplace.noting_failure():
                raise InputError("the cause")
            super().run_pipeline(pipeline, options)

    @contextlib.contextmanager
    def open_noting(config: RunnerConfig) -> Iterator[Any]:
        yield Noting("bertdata.errors.DataError: a consequence")

    monkeypatch.setattr(run, "open_runner", open_noting)
    with pytest.raises(InputError, match="the cause"):
        make_stage(plan)


def test_an_earlier_failure_is_forgotten(books: Path, tmp_path: Path) -> None:
    plan = Stages(books, tmp_path).sentences()
    with contextlib.suppress(InputError), plan.workplace.noting_failure():
        raise InputError("of an earlier attempt")
    make_stage(plan)


def test_files_are_touched_when_the_workers_are_forked(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of HDFS starts a Java machine, of which no fork can make use."""
    plan = Stages(books, tmp_path).sentences()
    with pytest.raises(DataError, match="of an earlier run"), plan.workplace.noting_failure():
        raise DataError("of an earlier run")
    monkeypatch.setattr(run, "open_runner", refuse)
    with pytest.raises(AssertionError, match="not to be called"):
        run.run_stage(plan, ONE, refuse)
    with pytest.raises(DataError, match="of an earlier run"):  # nobody has removed it
        plan.workplace.raise_failure()


def test_tables_wait_in_the_folder_that_was_named(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the stage is done."""
    plan = Stages(books, tmp_path).sentences()
    elsewhere = tmp_path / "elsewhere"
    runner = replace(ONE, spill=str(elsewhere))
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.stages.sentences.write_file", refuse)
        with pytest.raises(AssertionError):
            make_stage(plan, runner)
    assert [path.name for path in elsewhere.iterdir()] == [f"sentences-{plan.digest}"]
    assert list(elsewhere.rglob("documents-*-last.arrow"))
    assert {path.name for path in plan.workplace.folder.iterdir()} == {"plan.json"}
    make_stage(plan, runner)
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "sentences" / FOLDER).exists()


def test_every_cleaning_is_described_by_its_plan(books: Path, tmp_path: Path) -> None:
    """Or another cleaning would go on with what this one did."""
    corpora = Stages(books, tmp_path).corpora
    digests = {
        plan_of(tmp_path, corpora, **cleaning).digest
        for cleaning in (
            {},
            {"exact_duplicates": "keep"},
            {"near_duplicates": "drop"},
            {"near_duplicates": "drop", "near_duplicate_similarity": 0.9},
            {"duplicate_sentences": "drop"},
        )
    }
    assert len(digests) == 5


def plan_of(folder: Path, corpora: Any, **cleaning: Any) -> StagePlan:
    config = CleaningConfig(**cleaning)
    return plan_sentences(folder / "sentences", corpora, SentencesConfig(), 1, None, config)
