"""Duplicates among all documents of a run, whoever reads them; the counts close."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bertdata.checks.verification import verify_sentences
from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import InputError
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import SentencesWork, plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest, find_damage
from bertdata.storage.shards import open_arrow
from pipelines.options import RunnerConfig
from pipelines.stages import sentences
from tests.runs import make_stage

ONE, TWO = RunnerConfig(workers=1), RunnerConfig(workers=2)
SHUFFLED = RunnerConfig(workers=1, spill="none")

TOPICS = ("river", "mill", "church", "bridge", "meadow", "harbour", "market", "castle")


def prose(seed: int, words: int = 120) -> str:
    """Words that no other seed has in this order."""
    chance = random.Random(seed)
    return " ".join(f"{chance.choice(TOPICS)}{chance.randrange(50)}" for _ in range(words)) + "."


def with_changes(text: str, count: int, seed: int) -> str:
    words, chance = text.split(), random.Random(seed)
    for place in chance.sample(range(len(words)), count):
        words[place] = f"changed{place}"
    return " ".join(words)


def write_jsonl(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"id": name, "text": text}) for name, text in rows]
    path.write_text("\n".join(lines) + "\n")


def make_plan(folder: Path, output: Path, **cleaning: Any) -> StagePlan:
    configs = tuple(
        CorpusConfig(name=name, format="jsonl", paths=(f"{name}-*.jsonl",), id_field="id")
        for name in ("one", "two")
        if list(folder.glob(f"{name}-*"))
    )
    corpora = Corpora(configs=configs, base=str(folder))
    config = CleaningConfig(**cleaning)
    return plan_sentences(output / "sentences", corpora, SentencesConfig(), 1, None, config)


def refuse(*arguments: Any) -> Any:
    """Stands for what a test expects not to be done, or to fail."""
    raise AssertionError("not to be called")


def rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(pattern)):
        with open_arrow(path) as reader:
            found += reader.read_all().to_pylist()
    return found


def check(plan: StagePlan, manifest: Manifest) -> None:
    """The counts close, by corpus too, and the files are what the manifest says."""
    assert find_damage(plan.folder, manifest) == []
    assert verify_sentences(plan.folder).findings == []
    assert not (plan.folder / ".progress").exists()
    counts = manifest.counts
    assert counts["documents_read"] == counts["documents_written"] + counts["documents_rejected"]
    written = Counter(row["source"] for row in rows(plan.folder, "sentences-*"))
    rejected = Counter(row["source"] for row in rows(plan.folder, "rejected-*"))
    for source, outcomes in counts["sources"].items():
        assert outcomes.get("written", 0) == written[source]
        assert outcomes.get("rejected", 0) == rejected[source]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two corpora of several units and buckets, with equal documents in and between them."""
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 4000)
    monkeypatch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 5000)
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_jsonl(folder / "one-a.jsonl", [(f"a{i}", prose(i)) for i in range(20)])
    spaced = prose(3).replace(" ", "\n", 5)
    write_jsonl(
        folder / "one-b.jsonl",
        [("b0", prose(30)), ("b1", prose(5)), ("b2", spaced), ("b3", ""), ("b4", prose(30))],
    )
    write_jsonl(folder / "two-c.jsonl", [(f"c{i}", prose(i)) for i in (7, 40, 30, 41)])
    return folder


def test_exact_duplicates_go_by_default_and_the_first_stays(corpus: Path, tmp_path: Path) -> None:
    hashes = []
    for number, runner in enumerate((ONE, TWO, SHUFFLED)):
        plan = make_plan(corpus, tmp_path / str(number))
        assert len(plan.units) > 4
        manifest = make_stage(plan, runner)
        check(plan, manifest)
        assert manifest.counts["rejected"] == {"duplicate": 5, "empty": 1}
        gone = {row["document"]: row for row in rows(plan.folder, "rejected-*")}
        assert gone.keys() == {"b1", "b2", "b3", "b4", "c7", "c30"}
        ids = {row["document"]: row["document_id"] for row in rows(plan.folder, "sentences-*")}
        assert gone["b2"]["detail"].startswith("one-b.jsonl, line at byte ")
        assert gone["b2"]["detail"].endswith(f": the same text as document_id {ids['a3']}")
        hashes.append(manifest.content_sha256)
    assert len(set(hashes)) == 1


def test_duplicates_can_stay(corpus: Path, tmp_path: Path) -> None:
    plan = make_plan(corpus, tmp_path, exact_duplicates="keep")
    manifest = make_stage(plan)
    check(plan, manifest)
    assert manifest.counts["rejected"] == {"empty": 1}


def test_filters_are_counted_with_the_rest(corpus: Path, tmp_path: Path) -> None:
    plan = make_plan(corpus, tmp_path, blocked=("a3", "[two]"), rules=("c4",))
    with pytest.raises(InputError, match=r"corpus 'one': 0 of 25 documents kept.* 23 c4, 1 "):
        make_stage(plan)
    plan = make_plan(corpus, tmp_path / "other", blocked=("a3", "[two]"))
    manifest = make_stage(plan)
    check(plan, manifest)
    assert manifest.counts["rejected"] == {"blocked": 5, "duplicate": 2, "empty": 1}


@pytest.mark.parametrize("sentences_too", ["keep", "drop"])
def test_no_document_is_left_to_look_for_duplicates_in(
    sentences_too: str, corpus: Path, tmp_path: Path
) -> None:
    settings = {"blocked": ("a3", "[two]"), "rules": ("c4",), "duplicate_sentences": sentences_too}
    with pytest.raises(InputError, match=r"corpus 'one': 0 of 25 documents kept.* 23 c4, 1 "):
        make_stage(make_plan(corpus, tmp_path, **settings))


def test_a_unit_that_loses_all_its_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 1000)
    for name in ("one-a", "one-b"):
        write_jsonl(tmp_path / f"{name}.jsonl", [(f"{name}{i}", prose(i)) for i in range(3)])
    plan = make_plan(tmp_path, tmp_path)
    manifest = make_stage(plan)
    check(plan, manifest)
    assert manifest.counts["documents_written"] == 3


def test_planted_near_duplicates_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60 copies with few changes nearly all go; of 60 with many changes, and of others, none."""
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 20_000)
    monkeypatch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 100_000)
    first = [(f"a{i}", prose(i, 300)) for i in range(150)]
    near = [(f"near{i}", with_changes(prose(i, 300), 3, i)) for i in range(60)]
    far = [(f"far{i}", with_changes(prose(i, 300), 60, i)) for i in range(60)]
    write_jsonl(tmp_path / "one-a.jsonl", first)
    write_jsonl(tmp_path / "two-b.jsonl", [*near, *far, ("equal", prose(9, 300))])
    hashes = []
    for number, runner in enumerate((ONE, TWO, SHUFFLED)):
        plan = make_plan(tmp_path, tmp_path / str(number), near_duplicates="drop")
        manifest = make_stage(plan, runner)
        check(plan, manifest)
        gone = {row["document"]: row["reason"] for row in rows(plan.folder, "rejected-*")}
        assert gone.pop("equal") == "duplicate"
        assert set(gone.values()) == {"near_duplicate"}
        recall = sum(name.startswith("near") for name in gone) / len(near)
        precision = sum(name.startswith("near") for name in gone) / len(gone)
        assert recall >= 0.98
        assert precision == 1
        hashes.append(manifest.content_sha256)
    assert len(set(hashes)) == 1


def test_sentences_that_stood_before_can_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 300)
    monkeypatch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 100)
    said = "All rights in this text belong to its publisher alone."
    own = [f"This sentence number {i} is said in one document only." for i in range(6)]
    texts = {
        "a": f"{own[0]} {said} Short.",
        "b": f"{said} {own[1]} Short. {said} {own[2]}",
        "equal": f"{own[0]} {said} Short.",
        "c": said,
        "d": f"{own[3]} {own[1]}",
    }
    write_jsonl(tmp_path / "one-a.jsonl", list(texts.items()))
    hashes = []
    for number, runner in enumerate((ONE, SHUFFLED)):
        plan = make_plan(tmp_path, tmp_path / str(number), duplicate_sentences="drop")
        manifest = make_stage(plan, runner)
        check(plan, manifest)
        found = {row["document"]: row["sentences"] for row in rows(plan.folder, "sentences-*")}
        assert found == {
            "a": [own[0], said, "Short."],
            "b": [own[1], "Short.", own[2]],
            "d": [own[3]],
        }
        details = {row["document"]: row["detail"] for row in rows(plan.folder, "rejected-*")}
        assert details["c"].endswith(": all its sentences stood before")
        assert manifest.counts["sentences_dropped"] == 4
        assert manifest.counts["rejected"] == {"duplicate": 2}
        hashes.append(manifest.content_sha256)
    assert len(set(hashes)) == 1


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few thousand bytes of text, and partitions of less."""
    monkeypatch.setattr("bertdata.corpus.partitions._PARTITION_BYTES", 1000)
    monkeypatch.setattr("bertdata.corpus.partitions._MIN_FILE_BYTES", 4000)


@pytest.mark.usefixtures("small_files")
def test_many_files_in_any_exchange_are_the_same(corpus: Path, tmp_path: Path) -> None:
    settings = {"near_duplicates": "drop", "duplicate_sentences": "drop"}
    hashes = []
    for number, runner in enumerate((ONE, SHUFFLED)):
        plan = make_plan(corpus, tmp_path / str(number), **settings)
        assert isinstance(plan.work, SentencesWork)
        assert plan.work.layout.num_files > 3
        manifest = make_stage(plan, runner)
        check(plan, manifest)
        assert manifest.counts["rejected"] == {"duplicate": 5, "empty": 1}
        hashes.append(manifest.content_sha256)
    assert len(set(hashes)) == 1


@pytest.mark.usefixtures("small_files")
def test_a_stage_that_was_cut_off_ends_with_the_same_bytes(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_stage(make_plan(corpus, tmp_path / "whole"))
    plan = make_plan(corpus, tmp_path / "cut")
    calls: list[int] = []
    write = sentences.write_file

    def write_twice(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("cut off")
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sentences, "write_file", write_twice)
        with pytest.raises(RuntimeError, match="cut off"):
            make_stage(plan)
    assert not (plan.folder / "manifest.json").exists()
    done = plan.workplace.read_records()
    assert len(done) == 2
    kept, lost = (plan.folder / record.shards[0].path for record in done.values())
    written = kept.stat().st_mtime_ns
    lost.unlink()
    with monkeypatch.context() as patch:  # nothing is read again
        patch.setattr(sentences, "read_unit", refuse)
        assert make_stage(plan).content_sha256 == whole.content_sha256
    assert kept.stat().st_mtime_ns == written
    check(plan, whole)


def test_a_unit_that_was_read_in_part_is_read_again(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "_BLOCK_CHARACTERS", 1000)
    whole = make_stage(make_plan(corpus, tmp_path / "whole"))
    plan = make_plan(corpus, tmp_path / "cut")
    with monkeypatch.context() as patch:
        patch.setattr(sentences, "write_file", refuse)
        with pytest.raises(AssertionError, match="not to be called"):
            make_stage(plan)
    waiting = plan.workplace.waiting
    blocks = sorted(path.name for path in waiting.glob("documents-00000-*"))
    assert len(blocks) > 1
    assert blocks[-1].endswith("-last.arrow")
    (waiting / blocks[-1]).unlink()
    read: list[int] = []

    def note(unit: Any) -> Any:
        read.append(plan.work.units.index(unit))  # type: ignore[attr-defined]
        return read_unit(unit)

    read_unit = sentences.read_unit
    monkeypatch.setattr(sentences, "read_unit", note)
    assert make_stage(plan).content_sha256 == whole.content_sha256
    assert read == [0]


def test_of_a_chain_of_similar_documents_the_first_is_kept(tmp_path: Path) -> None:
    text = prose(1, 400)
    chain = [text]
    for step in range(6):
        chain.append(with_changes(chain[-1], 6, step))
    write_jsonl(tmp_path / "one-a.jsonl", [(f"s{i}", part) for i, part in enumerate(chain)])
    plan = make_plan(tmp_path, tmp_path, near_duplicates="drop", near_duplicate_similarity=0.7)
    check(plan, make_stage(plan))
    assert [row["document"] for row in rows(plan.folder, "sentences-*")] == ["s0"]


def test_a_later_document_does_not_tie_two_earlier_ones_together(tmp_path: Path) -> None:
    """The last one shares three quarters with each of the others, which share half."""
    words = prose(1, 400).split()
    left = [f"left{place}" for place in range(100)] + words[100:]
    right = words[:300] + [f"right{place}" for place in range(100)]
    texts = {name: " ".join(some) for name, some in (("a", left), ("b", right), ("c", words))}
    write_jsonl(tmp_path / "one-a.jsonl", list(texts.items()))
    plan = make_plan(tmp_path, tmp_path, near_duplicates="drop", near_duplicate_similarity=0.5)
    check(plan, make_stage(plan))
    assert [row["document"] for row in rows(plan.folder, "rejected-*")] == ["c"]


def test_lines_that_rules_drop_are_counted(tmp_path: Path) -> None:
    good = [f"The bridge number {i} was built by monks." for i in range(4)]
    write_jsonl(
        tmp_path / "one-a.jsonl",
        [
            ("a", f"Home\n{good[0]}\nContact\n{good[1]}"),
            ("equal", f"{good[0]}\nHome\n{good[1]}"),
            ("gone", "Home\nContact"),
            ("b", good[2]),
        ],
    )
    plan = make_plan(tmp_path, tmp_path / "out", line_rules=("c4",))
    manifest = make_stage(plan)
    check(plan, manifest)
    assert manifest.counts["rejected"] == {"c4": 1, "duplicate": 1}
    assert manifest.counts["lines_dropped"] == 3
    places = [row["detail"] for row in rows(plan.folder, "rejected-*")]
    assert all("one-a.jsonl, line at byte" in place for place in places)
