"""A corpus that is lost ends the sentences stage, and what was wrong can be put right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.config import read_table
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import ConfigError, InputError
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, prepare_stage
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest
from bertdata.storage.shards import open_arrow
from tests.runs import make_stage


def plan(folder: Path, *corpora: dict[str, Any], **cleaning: Any) -> StagePlan:
    configs = tuple(read_table(CorpusConfig, corpus, "[[corpus]]") for corpus in corpora)
    return plan_sentences(
        folder / "sentences",
        Corpora(configs=configs, base=str(folder)),
        SentencesConfig(),
        seed=1,
        cleaning=CleaningConfig(**cleaning),
    )


def make(folder: Path, *corpora: dict[str, Any], **cleaning: Any) -> Manifest:
    planned = plan(folder, *corpora, **cleaning)
    assert prepare_stage(planned) is not StageState.COMPLETE
    return make_stage(planned)


def jsonl(folder: Path, name: str, field: str, count: int) -> dict[str, Any]:
    lines = [json.dumps({"n": n, field: f"{name} has text number {n}."}) for n in range(count)]
    (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return {"name": name, "format": "jsonl", "paths": [f"{name}.jsonl"]}


def test_a_corpus_without_the_field_is_named_and_can_be_mended(tmp_path: Path) -> None:
    good, bad = jsonl(tmp_path, "good", "text", 40), jsonl(tmp_path, "bad", "body", 7)
    with pytest.raises(InputError) as found:
        make(tmp_path, good, bad)
    assert str(found.value) == (
        "corpus 'bad': 0 of 7 documents kept, less than min_kept_share = 0.05; rejected: "
        "7 missing_field (the first missing_field: 'text' is missing; the record has 'n', 'body'); "
        "check [[corpus]] text_field, or set min_kept_share in its [[corpus]] to accept that; "
        f"rejected documents are listed in {tmp_path / 'sentences'}/rejected-*.arrow"
    )
    (path,) = (tmp_path / "sentences").glob("rejected-*.arrow")
    with open_arrow(path) as reader:
        assert reader.read_all().num_rows == 7
    assert not (tmp_path / "sentences" / "manifest.json").exists()
    counts = make(tmp_path, good, {**bad, "text_field": "body"}).counts
    assert (counts["documents_written"], counts["documents_rejected"]) == (47, 0)


def test_a_lower_share_takes_what_was_done(tmp_path: Path) -> None:
    """Nothing is read again, and the key leaves no mark in the result."""
    good, bad = jsonl(tmp_path, "good", "text", 40), jsonl(tmp_path, "bad", "body", 7)
    with pytest.raises(InputError, match="corpus 'bad': 0 of 7"):
        make(tmp_path, good, bad)
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "sentences").glob("*.arrow")}
    assert files
    planned = plan(tmp_path, good, {**bad, "min_kept_share": 0})
    assert prepare_stage(planned) is StageState.UNFINISHED
    assert planned.workplace.read_records()
    manifest = make_stage(planned)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert manifest.counts["sources"]["bad"] == {"rejected": 7}
    assert prepare_stage(plan(tmp_path, good, {**bad, "min_kept_share": 0})) is StageState.COMPLETE
    shares = plan(tmp_path, {**good, "min_kept_share": 1.0}, {**bad, "min_kept_share": 0})
    assert prepare_stage(shares) is StageState.COMPLETE
    with pytest.raises(ConfigError, match="text_field"):
        prepare_stage(plan(tmp_path, good, {**bad, "text_field": "body"}))


@pytest.mark.parametrize(
    ("share", "is_kept"), [(0.1, True), (0.6, True), (0.61, False), (1.0, False)]
)
def test_the_share_is_of_one_corpus(tmp_path: Path, share: float, is_kept: bool) -> None:
    lines = [{"text": f"It is number {n}."} if n < 6 else {"body": "x"} for n in range(10)]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    corpus = {"name": "some", "format": "jsonl", "paths": ["some.jsonl"], "min_kept_share": share}
    others = jsonl(tmp_path, "others", "text", 50)
    if is_kept:
        assert make(tmp_path, corpus, others).counts["documents_written"] == 56
    else:
        with pytest.raises(InputError, match=f"'some': 6 of 10 .* = {share:g}; rejected: 4 miss"):
            make(tmp_path, corpus, others)


def test_duplicates_of_another_corpus_count(tmp_path: Path) -> None:
    corpus = jsonl(tmp_path, "corpus", "text", 5)
    again = {**corpus, "name": "again"}
    with pytest.raises(InputError, match=r"'again': 0 of 5 .* 5 duplicate .* exact_duplicates"):
        make(tmp_path, corpus, again)
    assert make(tmp_path, corpus, again, exact_duplicates="keep").counts["documents_written"] == 10


def test_empty_files_are_no_corpus(tmp_path: Path) -> None:
    good, empty = jsonl(tmp_path, "good", "text", 4), jsonl(tmp_path, "empty", "text", 0)
    with pytest.raises(InputError, match="corpus 'empty' has no document; check its paths"):
        make(tmp_path, good, empty)
    with pytest.raises(InputError, match="no document of the corpora can be used"):
        make(tmp_path, {**empty, "min_kept_share": 0})
    assert make(tmp_path, good, {**empty, "min_kept_share": 0}).counts["documents_written"] == 4
