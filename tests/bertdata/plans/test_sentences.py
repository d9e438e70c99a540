"""What a plan depends on: each key and each input that changes the bytes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import SentencesWork, _count_buckets, plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A folder with a file of 4,000 bytes in documents of ten."""
    (tmp_path / "a.txt").write_bytes(b"some tex\n\n" * 400)
    return tmp_path


def plan_of(folder: Path, seed: int = 1, language: str = "english", **corpus: Any) -> StagePlan:
    config = CorpusConfig(**{"name": "a", "format": "lines", "paths": ("*",), **corpus})
    return plan_sentences(
        folder / "out" / "sentences",
        Corpora(configs=(config,), base=str(folder)),
        SentencesConfig(language=language),
        seed,
        folder / "out" / "punkt",
        CleaningConfig(),
    )


def work_of(plan: StagePlan) -> SentencesWork:
    assert isinstance(plan.work, SentencesWork)
    return plan.work


def test_the_same_is_the_same_plan(lines: Path) -> None:
    assert plan_of(lines).digest == plan_of(lines).digest
    assert plan_of(lines, min_kept_share=0.5).digest == plan_of(lines).digest


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": "latin-1"},
        {"name": "b"},
        {"max_document_bytes": 5000},
        {"on_bad_file": "skip"},
        {"seed": 2},
        {"language": "german"},
    ],
    ids=str,
)
def test_what_changes_the_bytes_is_another_plan(lines: Path, change: dict[str, Any]) -> None:
    assert plan_of(lines, **change).digest != plan_of(lines).digest


def test_a_file_that_changed_is_another_plan(lines: Path) -> None:
    before = plan_of(lines).digest
    (lines / "a.txt").write_bytes(b"some tes\n\n" * 400)
    assert plan_of(lines).digest != before


def test_sentences_of_another_punkt_model_are_others(lines: Path) -> None:
    found = []
    for content in ("{}", "[]"):
        folder = lines / "out" / "punkt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "punkt.json").write_text(content)
        shards = [describe_file(folder / "punkt.json", rows=1)]
        manifest = make_manifest("punkt", config={}, inputs={}, counts={}, shards=shards)
        write_manifest(folder, manifest)
        plan = plan_of(lines, language="train", paths=("*.txt",))
        assert plan.config["punkt"] == {"content_sha256": manifest.content_sha256}
        assert work_of(plan).punkt == folder / "punkt.json"
        found.append(plan.digest)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("megabytes", "buckets"), [(0, 1), (63.9, 1), (64, 2), (127.9, 2), (128, 3)]
)
def test_a_bucket_holds_the_hashes_of_64_megabytes(megabytes: float, buckets: int) -> None:
    assert _count_buckets(int(megabytes * 2**20)) == buckets
