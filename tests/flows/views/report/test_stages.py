"""The stages of a run: their numbers and times, what they were made from, and rules they keep."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import DataError
from bertdata.storage.manifest import Manifest, make_manifest, write_manifest
from bertdata.storage.shards import Shard
from flows.finished import FinishedRun, parse_results
from flows.paths import RunPaths
from flows.views.report.stages import (
    Check,
    StageFacts,
    check_run,
    describe_input,
    describe_stages,
)
from flows.views.report.vocabulary import VocabularyFacts, _NamedCoverage

# 2026-11-29 07:56:22 in UTC.
FINISHED = 1_795_938_982 * 10**9
SHARES = {"predicted": 1000, "masked": 800, "kept": 100, "replaced": 100}
SPLIT = {"examples": 60, "pieces": 1200, "random_next": 15, **SHARES}


def shards(*sizes: int) -> list[Shard]:
    return [
        Shard(path=f"{number}.arrow", rows=1, bytes=size, sha256=f"{number:064}")
        for number, size in enumerate(sizes)
    ]


SENTENCES = make_manifest(
    "sentences",
    config={"corpus": [{"name": "books"}, {"name": "web"}], "seed": 7},
    inputs={
        "books": [{"path": "a", "bytes": 1_000_000}, {"path": "b", "bytes": 500_000}],
        "web": [{"path": "c", "bytes": 100_000}],
        "punkt": {"content_sha256": "0"},
    },
    counts={
        "documents_read": 1043,
        "documents_written": 1041,
        "documents_rejected": 2,
        "sentences": 20_000,
        "text_bytes": 1_500_000,
    },
    shards=shards(1_000_000, 600_000),
)
MADE_FROM = {"sentences": {"content_sha256": SENTENCES.content_sha256}}
VOCAB = make_manifest(
    "vocab",
    config={"vocab": {"size": 150}},
    inputs=MADE_FROM,
    counts={"pieces": 150, "words": 9000, "distinct_words": 700},
    shards=shards(999),
)
EXAMPLES = make_manifest(
    "examples",
    config={"examples": {"max_seq_length": 64}},
    inputs={**MADE_FROM, "vocabulary": {"size": 150, "sha256": "0"}},
    counts={"train": {**SPLIT, "examples": 6000}, "validation": SPLIT},
    shards=shards(7, 8, 9),
)
MODEL = make_manifest(
    "model",
    config={},
    inputs={"examples": {"content_sha256": EXAMPLES.content_sha256}},
    counts={"parameters": 4_000_000, "steps": 2000, "tokens": None, "mlm_loss": 5.256},
    shards=shards(16_000_000),
)


def run_of(*manifests: Manifest, results: dict[str, object] | None = None) -> FinishedRun:
    stages = {manifest.format.removeprefix("bertdata-"): manifest for manifest in manifests}
    return FinishedRun(
        paths=RunPaths(Path("run")),
        sentences=stages.get("sentences"),
        vocab=stages.get("vocab"),
        examples=stages.get("examples"),
        model=stages.get("model"),
        results=None if results is None else parse_results(results),
        metrics=(),
    )


def written(folder: Path, *manifests: Manifest, seconds: Iterable[float] = ()) -> FinishedRun:
    """A run in a folder. `seconds`: when each manifest was written, after the first."""
    run = replace(run_of(*manifests), paths=RunPaths(folder))
    for manifest, after in zip(manifests, (*seconds, *[0.0] * len(manifests))):
        stage = folder / manifest.format.removeprefix("bertdata-")
        stage.mkdir(exist_ok=True)
        write_manifest(stage, manifest)
        moment = FINISHED + int(after * 1e9)
        os.utime(stage / "manifest.json", ns=(moment, moment))
    return run


def changed(manifest: Manifest, **counts: Any) -> Manifest:
    return replace(manifest, counts={**manifest.counts, **counts})


# what it was made from


def test_the_input_is_all_files_of_all_corpora() -> None:
    assert list(describe_input(SENTENCES)) == [
        ("2", "corpora"),
        ("3", "input files"),
        ("1.6 MB", "on the disk"),
        ("1,043", "documents read"),
    ]


def test_the_input_of_one_corpus() -> None:
    one = replace(
        SENTENCES,
        config={"corpus": [{"name": "books"}]},
        inputs={"books": [{"path": "a", "bytes": 12}]},
    )
    assert list(describe_input(one))[:2] == [("1", "corpus"), ("1", "input files")]


# stages


def test_a_run_without_a_stage_has_none() -> None:
    assert list(describe_stages(run_of())) == []


def test_each_stage_has_its_numbers(tmp_path: Path) -> None:
    run = written(tmp_path, SENTENCES, VOCAB, EXAMPLES, MODEL)
    amounts = {stage.name: stage.amounts for stage in describe_stages(run)}
    assert amounts == {
        "sentences": (
            ("1,041", "documents"),
            ("20,000", "sentences"),
            ("1.5 MB", "of text"),
            ("2", "documents rejected"),
        ),
        "vocab": (("150", "pieces"), ("9,000", "words"), ("700", "distinct words")),
        "examples": (
            ("6,000", "train examples"),
            ("60", "validation examples"),
            ("2,400", "pieces"),
            ("64", "pieces at most"),
        ),
        "model": (
            ("4,000,000", "parameters"),
            ("2,000", "steps"),
            ("5.26", "validation loss, nats"),
        ),
    }
    assert [stage.files for stage in describe_stages(run)] == [
        "2 files, 1.6 MB",
        "1 file, 999 bytes",
        "3 files, 24 bytes",
        "1 file, 16.0 MB",
    ]


def test_a_stage_has_its_files_time_and_values(tmp_path: Path) -> None:
    run = written(tmp_path, VOCAB)
    (stage,) = describe_stages(run)
    assert stage == StageFacts(
        name="vocab",
        amounts=(("150", "pieces"), ("9,000", "words"), ("700", "distinct words")),
        files="1 file, 999 bytes",
        content_sha256=VOCAB.content_sha256,
        finished="2026-11-29 07:56:22",
        took="",
        config=(("vocab.size", "150"),),
        inputs=(("sentences.content_sha256", f'"{SENTENCES.content_sha256}"'),),
    )


def test_nested_tables_have_flat_names(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "corpus": [{"name": "é"}, {"paths": ["a", "b"]}],
        "none": {},
        "empty": [],
        "x": None,
    }
    run = written(tmp_path, replace(VOCAB, config=config))
    assert next(describe_stages(run)).config == (
        ("corpus[0].name", '"é"'),
        ("corpus[1].paths", '["a", "b"]'),
        ("empty", "[]"),
        ("x", "null"),
    )


@pytest.mark.parametrize(("count", "more"), [(200, []), (203, [("…", "3 more in manifest.json")])])
def test_of_many_values_the_first_are_shown(
    count: int, more: list[tuple[str, str]], tmp_path: Path
) -> None:
    files = [{"path": str(number)} for number in range(count)]
    run = written(tmp_path, replace(VOCAB, inputs={"books": files}))
    inputs = next(describe_stages(run)).inputs
    assert inputs[:200] == tuple((f"books[{n}].path", f'"{n}"') for n in range(200))
    assert list(inputs[200:]) == more


def test_stages_took_the_time_since_the_one_before(tmp_path: Path) -> None:
    run = written(tmp_path, SENTENCES, VOCAB, EXAMPLES, MODEL, seconds=[0, 1.44, 0, 5025])
    took = [stage.took for stage in describe_stages(run)]
    assert took == [
        "",
        "1.4 s after the stage before",
        "",  # made before the vocabulary that is there now
        "1 h 23 min after the stage before",
    ]


def test_a_training_says_itself_how_long_it_took(tmp_path: Path) -> None:
    run = written(tmp_path, EXAMPLES, MODEL, seconds=[0, 9])
    timing = tmp_path / "model" / "timing.json"
    for content, took in {
        '{"train": 108.4}': "1 min 48 s of training",
        '{"train": 0}': "0 s of training",
        '{"train": null}': "9 s after the stage before",
        '{"other": 1}': "9 s after the stage before",
        "[1]": "9 s after the stage before",
        "{": "9 s after the stage before",
    }.items():
        timing.write_text(content)
        assert list(describe_stages(run))[-1].took == took, content


def test_a_manifest_without_a_number_is_damaged(tmp_path: Path) -> None:
    run = written(tmp_path, changed(SENTENCES, sentences=None))
    with pytest.raises(DataError, match=r"sentences/manifest\.json is damaged"):
        list(describe_stages(run))


# rules


def checked(
    *manifests: Manifest, vocabulary: VocabularyFacts | None = None, **results: object
) -> list[Check]:
    return list(check_run(run_of(*manifests, results=results or None), vocabulary))


def test_a_good_run_keeps_all_rules() -> None:
    results: dict[str, object] = {
        "mlm_loss": 5.25,
        "unigram_loss": 6.5,
        "below_unigram_error": 0.1,
        "nsp_accuracy": 0.875,
    }
    found = checked(
        SENTENCES, VOCAB, EXAMPLES, MODEL, vocabulary=vocabulary_with(0.00999), **results
    )
    assert all(check.is_kept for check in found)
    assert [check.numbers for check in found] == [
        "1,043 = 1,041 + 2",
        "content hashes agree",
        "0.999% become [UNK]",
        "80.0% / 10.0% / 10.0%",
        "1.25 ± 0.10 nats below them",
        "87.5%, always the same 75.0%",
    ]


def test_of_what_is_not_there_nothing_is_checked() -> None:
    assert checked() == checked(VOCAB) == checked(MODEL) == []
    assert [check.rule for check in checked(SENTENCES)] == [
        "Every document read is written or rejected"
    ]


def test_a_document_that_got_lost_breaks_a_rule() -> None:
    (check,) = checked(changed(SENTENCES, documents_read=1044))
    assert (check.is_kept, check.numbers) == (False, "1,044 = 1,041 + 2")


def test_stages_of_other_ones_break_a_rule() -> None:
    other = replace(SENTENCES, content_sha256="0" * 64)
    for manifests, numbers in (
        ((other, VOCAB), "not vocab from sentences"),
        ((other, VOCAB, EXAMPLES), "not vocab from sentences and examples from sentences"),
        ((replace(EXAMPLES, content_sha256="1"), MODEL), "not model from examples"),
    ):
        (check,) = [check for check in checked(*manifests) if "the one before" in check.rule]
        assert (check.is_kept, check.numbers) == (False, numbers)


def test_a_vocabulary_that_was_given_is_made_from_no_stage() -> None:
    given = replace(VOCAB, inputs={"vocabulary": {"sha256": "0"}})
    assert [check.rule for check in checked(SENTENCES, given)] == [
        "Every document read is written or rejected"
    ]


def vocabulary_with(unknown_share: float) -> VocabularyFacts:
    coverage = _NamedCoverage(
        name="this",
        pieces=150,
        pieces_per_word=1.5,
        whole_share=0.5,
        unknown_share=unknown_share,
        missing_characters=(),
    )
    return VocabularyFacts(
        pieces=150,
        words=None,
        distinct_words=None,
        continuations=50,
        coverages=(coverage,),
        looked_up=9,
        ranks=(),
        longest=(),
        longest_continuations=(),
    )


def test_a_hundredth_of_unknown_words_is_too_much() -> None:
    (check,) = checked(vocabulary=vocabulary_with(0.01))
    assert check == Check(
        rule="Less than 1.0% of the words are unknown",
        is_kept=False,
        numbers="1.000% become [UNK]",
    )
    assert checked(vocabulary=replace(vocabulary_with(0.01), coverages=())) == []


def test_shares_of_masks_are_of_both_splits() -> None:
    train = {**SPLIT, "masked": 1000, "kept": 0, "replaced": 0}
    (check,) = checked(changed(EXAMPLES, train=train))
    assert not check.is_kept
    findings = check.numbers.split("; ")
    assert findings[0].startswith("masked 90.00% of 2,000 predicted pieces, configured 80.")
    assert [finding.split()[0] for finding in findings] == ["masked", "kept", "replaced"]


def test_masks_that_the_reader_makes_have_no_shares() -> None:
    config = {"examples": {"masking": "dynamic"}}
    assert checked(replace(EXAMPLES, config=config)) == []


def test_examples_without_predictions_have_shares_of_nothing() -> None:
    none = {**SPLIT, **dict.fromkeys(SHARES, 0)}
    (check,) = checked(changed(EXAMPLES, train=none, validation=none))
    assert (check.is_kept, check.numbers) == (True, "0.0% / 0.0% / 0.0%")


@pytest.mark.parametrize(
    ("loss", "error", "is_kept", "numbers"),
    [
        (6.25, 0.125, False, "0.25 ± 0.12 nats below them"),  # just two errors
        (6.24, 0.125, True, "0.26 ± 0.12 nats below them"),
        (6.5, None, False, "0.00 ± 0.00 nats above them"),
        (7.0, None, False, "0.50 ± 0.00 nats above them"),
    ],
)
def test_a_model_is_surely_better_than_frequencies(
    loss: float, error: float | None, is_kept: bool, numbers: str
) -> None:
    (check,) = checked(mlm_loss=loss, unigram_loss=6.5, below_unigram_error=error)
    assert (check.is_kept, check.numbers) == (is_kept, numbers)


@pytest.mark.parametrize(("accuracy", "is_kept"), [(0.75, False), (0.76, True)])
def test_pairs_are_told_apart_better_than_by_one_answer(accuracy: float, is_kept: bool) -> None:
    *_, check = checked(EXAMPLES, nsp_accuracy=accuracy)
    assert (check.is_kept, check.numbers) == (is_kept, f"{accuracy:.1%}, always the same 75.0%")
    assert checked(nsp_accuracy=accuracy) == []
