"""What a plan depends on: each key and each input that changes the bytes, and nothing else."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import DataError
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file
from pipelines import plans
from pipelines.plans import (
    Corpora,
    ExamplesWork,
    PunktWork,
    SentencesWork,
    _count_buckets,
    _group_shards,
    plan_punkt,
    plan_sentences,
    plan_vocabulary,
)
from pipelines.progress import StagePlan
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage
from vocab.config import VocabConfig


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """With finished sentences and a finished vocabulary."""
    folder = tmp_path_factory.mktemp("plans")
    write_books(folder / "books")
    stages = Stages(folder / "books", folder)
    make_stage(stages.sentences())
    make_stage(stages.vocabulary())
    return stages


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


@pytest.mark.parametrize(("sample_bytes", "rate"), [(1000, 0.25), (4000, 1.0), (9000, 1.0)])
def test_punkt_reads_a_sample(
    sample_bytes: int, rate: float, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "_SAMPLE_BYTES", sample_bytes)
    corpus = CorpusConfig(name="a", format="lines", paths=("*.txt",))
    plan = plan_punkt(lines / "punkt", Corpora(configs=(corpus,), base=str(lines)))
    assert isinstance(plan.work, PunktWork)
    assert plan.work.rate == rate


@pytest.mark.parametrize(
    ("megabytes", "buckets"), [(0, 1), (63.9, 1), (64, 2), (127.9, 2), (128, 3)]
)
def test_a_bucket_holds_the_hashes_of_64_megabytes(megabytes: float, buckets: int) -> None:
    assert _count_buckets(int(megabytes * 2**20)) == buckets


def test_compressed_text_counts_four_times(lines: Path) -> None:
    assert plan_of(lines).text_bytes == 4000
    for name, pack in (("b.txt.gz", gzip.compress), ("c.txt", bytes)):
        (lines / name).write_bytes(pack(b"some tex\n\n" * 400))
    packed = (lines / "b.txt.gz").stat().st_size
    assert plan_of(lines).text_bytes == 4000 + 4 * packed + 4000


def test_the_last_units_are_small(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that all workers end at about the same time."""
    monkeypatch.setattr(plans, "_SMALL_UNIT_BYTES", 400)
    sizes = [unit.bytes for unit in work_of(plan_of(lines)).units]
    assert sum(sizes) == 4000
    assert max(sizes) == 400
    assert max(sizes[-4:]) <= 100


def test_groups_of_shards_are_numbered_from_1_the_largest_first() -> None:
    """0 is the number of the held-out documents' record."""
    groups = list(_group_shards([20, 90, 40, 60], 4))
    assert [group.number for group in groups] == [1, 2, 3, 4]
    assert [group.pools for group in groups] == [((1, 2),), ((3, 4),), ((2, 3),), ((0, 1),)]
    assert sorted(shard for group in groups for shard in group.shards) == [0, 1, 2, 3]


def test_held_out_pools_are_there_only_with_validation(stages: Stages) -> None:
    for fraction in (0.2, 0.0):
        config = replace(stages.examples_config, validation_fraction=fraction)
        work = replace(stages, examples_config=config).examples().work
        assert isinstance(work, ExamplesWork)
        assert bool(work.held_out) is (fraction > 0)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"size": 70}, True),
        ({"min_frequency": 3}, True),
        ({"alphabet_limit": 30}, True),
        ({"layout": "bert-base-uncased", "size": 1100}, True),
        ({"lowercase": False}, False),
        ({"strip_accents": False}, False),
        ({"split_chinese_characters": False}, False),
        ({"max_word_characters": 5}, False),
    ],
    ids=str,
)
def test_words_are_counted_again_only_for_other_words(
    stages: Stages, change: dict[str, Any], is_same: bool
) -> None:
    config = VocabConfig(size=60)
    plan, other = stages.vocabulary(config), stages.vocabulary(replace(config, **change))
    assert (other.digest == plan.digest) is is_same
    assert other.config != plan.config


def test_a_given_vocabulary_is_planned_by_what_is_in_it(stages: Stages, tmp_path: Path) -> None:
    given = tmp_path / "vocab.txt"
    text = (stages.output / "vocab" / "vocab.txt").read_text()
    digests = []
    for pieces in (text, text + "more\n"):
        given.write_text(pieces)
        plan = plan_vocabulary(tmp_path / "vocab", tmp_path / "none", VocabConfig(file=str(given)))
        assert plan.work.given_sha256 == plan.inputs["vocabulary"]["sha256"] != ""  # type: ignore[attr-defined]
        digests.append(plan.digest)
    assert digests[0] != digests[1]


def test_a_vocabulary_that_was_changed_is_not_used(stages: Stages) -> None:
    path = stages.output / "vocab" / "vocab.txt"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"\nthe\n", b"\neht\n"))
        with pytest.raises(DataError, match=r"vocab\.txt: sha256"):
            stages.examples()
    finally:
        path.write_bytes(before)
    stages.examples()
