"""Plans of inputs: what runs wrote stays out, odd names go through, the same from any storage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, prepare_stage
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.locations import Address, Location
from bertdata.storage.manifest import read_manifest
from bertdata.storage.schema import REJECTED
from bertdata.storage.shards import open_arrow
from bertdata.storage.writing import write_text
from flows.views.verify import verify
from pipelines.options import RunnerConfig
from tests.runs import make_run, make_stage, some_documents

SEED = 12345


def plan_again(folder: Path, *paths: str, output: str | None = None) -> StagePlan:
    corpus = CorpusConfig(name="texts", format="text", paths=paths)
    corpora = Corpora(configs=(corpus,), base=str(folder / "texts"), output=output)
    return plan_sentences(folder / "run" / "sentences", corpora, SentencesConfig(), SEED)


def test_a_second_run_finds_the_same_inputs(tmp_path: Path) -> None:
    run = make_run(tmp_path, some_documents(20), corpus={"paths": ["../**/*.txt"]}, fresh=True)
    assert (run.vocab / "vocab.txt").is_file()
    plan = plan_again(tmp_path, "../**/*.txt")
    assert prepare_stage(plan) is StageState.COMPLETE
    file = tmp_path / "run" / "vocab" / "vocab.txt"
    assert plan.notices == (f"corpus 'texts': not reading 1 file written by runs, such as {file}",)
    assert plan_again(tmp_path, "../**/*.txt", output=str(run.output)).notices == plan.notices


def test_a_file_of_a_run_that_is_named_is_read(tmp_path: Path) -> None:
    make_run(tmp_path, some_documents(20), fresh=True)
    plan = plan_again(tmp_path, "../run/vocab/vocab.txt")
    assert [file["name"] for file in plan.inputs["texts"]] == ["vocab.txt"]
    assert plan.notices == ()


@pytest.mark.parametrize("name", [b"a\nb.txt", b"caf\xe9 \x1b[31m.txt", b"\xe2\x80\xa8.txt"])
def test_odd_names_go_through_all_stages(tmp_path: Path, name: bytes) -> None:
    odd = os.fsdecode(name)
    documents = {**some_documents(20), odd: "One more text. It has two sentences."}
    run = make_run(
        tmp_path, {**documents, f"{odd}.gz": "damage"}, corpus={"on_bad_file": "skip"}, fresh=True
    )
    counts = read_manifest(run.sentences).counts
    assert (counts["documents_written"], counts["rejected"]) == (21, {"unreadable_file": 1})
    (rejected,) = run.sentences.glob("rejected-*.arrow")
    with open_arrow(rejected) as reader:
        assert reader.schema == REJECTED
        (row,) = reader.read_all().to_pylist()
    for value in (row["document"], row["detail"]):
        assert value.isprintable()
        assert ".txt.gz" in value
    assert verify(run.output) == []


def test_a_job_makes_the_same_of_a_corpus_on_other_storage(tmp_path: Path, s3: Address) -> None:
    made = []
    bases: tuple[Location, ...] = (tmp_path / "here", s3)
    for base in bases:
        for name in ("a.jsonl", "deep/b.jsonl"):
            lines = (f'{{"text": "Text {number} of {name}."}}\n' for number in range(300))
            write_text(base / name, "".join(lines))
        corpus = CorpusConfig(name="c", format="jsonl", paths=("**/*.jsonl",))
        output = tmp_path / str(len(made)) / "sentences"
        corpora = Corpora(configs=(corpus,), base=str(base))
        plan = plan_sentences(output, corpora, SentencesConfig(), SEED)
        manifest = make_stage(plan, RunnerConfig(workers=2))
        assert manifest.counts["documents_written"] == 600
        made.append((manifest.content_sha256, manifest.inputs))
    assert made[0] == made[1]
