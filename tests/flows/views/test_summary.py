"""The lines at the end of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig
from bertdata.errors import DataError
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from bertdata.storage.writing import write_json, write_text
from flows.config import Run, RunConfig
from flows.finished import parse_results
from flows.paths import RunPaths
from flows.stages import make_sentences
from flows.terminal.events import Event
from flows.views.summary import describe_results, summarize, summary_lines
from flows.wording import repeated_ids
from pipelines.options import RunnerConfig
from tests.copies import copy_folder
from tests.runs import make_run, some_documents

RESULTS = {
    "mlm_loss": 5.25,
    "mlm_loss_error": 0.02,
    "unigram_loss": 6.5,
    "unigram_loss_error": 0.03,
    "below_unigram": 1.25,
    "below_unigram_error": 0.014,
    "is_reliable": True,
    "validation_pieces": 5000,
    "validation_documents": 200,
    "mlm_accuracy": 0.125,
    "nsp_accuracy": 0.75,
    "steps": 2000,
    "tokens": 1_234_567,
    "parameters": 4_400_000,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    documents: dict[str, str | bytes] = {**some_documents(), "bad.txt": b"\xff", "no.txt": ""}
    paths = make_run(tmp_path_factory.mktemp("a run"), documents)
    paths.model.mkdir()
    write_json(paths.model / "results.json", RESULTS)
    return paths


def test_whole_run(run: RunPaths) -> None:
    lines = summarize(run.output).splitlines()
    text = "\n".join(lines)
    assert len(lines) <= 14
    assert "40 of 42 documents, 2 rejected (1 empty, 1 invalid_utf8)" in text
    assert "150 pieces from" in text
    assert "predicted ([MASK] / kept / replaced" in text
    assert "4,400,000 parameters, 2,000 steps, 1,234,567 tokens" in text
    loss = "validation MLM loss 5.25 nats, 1.25 ± 0.01 below the 6.50 of the training pieces'"
    assert f"{loss} frequencies alone\n" in text
    assert "MLM accuracy 12.5%, NSP accuracy 75.0% (always the same answer: " in text
    counts = read_manifest(run.examples).counts["validation"]
    share = counts["random_next"] / counts["examples"]
    assert f"{max(share, 1 - share):.1%})" in text
    assert "rejected    each with its reason in sentences/rejected-*.arrow\n" in text
    # A folder with a space in its name is quoted.
    assert f"bertdata inspect '{run.output}'" in text
    assert f"bertdata fill-mask --model '{run.model}'" in text
    assert "report.html" not in text
    run.report.touch()
    assert "report.html shows it all" in summarize(run.output)


def test_how_long_it_took(run: RunPaths) -> None:
    lines = summary_lines(run.output, {"vocab": 61.0, "examples": 1.25})
    assert "time        1 min 2 s: vocab 1 min 1 s, examples 1.2 s" in lines
    assert "time        vocab 3 s" in summary_lines(run.output, {"vocab": 3.0})
    assert summary_lines(run.output, {}) == summary_lines(run.output)


@pytest.mark.usefixtures("jobs_in_process")
def test_ids_that_repeat(run: RunPaths, tmp_path: Path) -> None:
    """Four texts of two shards under two ids, which are no file's place as `id_field` is set."""
    for shard in range(2):
        rows = [{"id": row, "text": f"Text {row} of shard {shard} stays."} for row in range(2)]
        lines = "\n".join(map(json.dumps, rows))
        (tmp_path / f"{shard}.jsonl").write_text(lines)
    config = RunConfig(
        corpus=(CorpusConfig(name="c", format="jsonl", paths=("*.jsonl",), id_field="id"),),
        runner=RunnerConfig(workers=1),
    )
    paths = RunPaths(tmp_path / "run")
    said: list[Event] = []
    make_sentences(Run(config=config, base=tmp_path, paths=paths), said.append)
    line = repeated_ids(2)
    assert str(said[-2]) == f"sentences: {line}"
    assert line in summarize(paths.output)
    assert "repeat the id" not in summarize(run.output)


def test_as_far_as_the_run_has_come(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.sentences, tmp_path / "sentences")
    text = summarize(tmp_path)
    assert [line.split()[0] for line in text.splitlines()] == [
        "sentences",
        "rejected",
        "files",
        "next",
    ]
    shutil.copytree(run.vocab, tmp_path / "vocab")
    assert "vocabulary  150 pieces" in summarize(tmp_path)
    with pytest.raises(DataError, match="holds no finished stage; first: bertdata run"):
        summarize(tmp_path / "nothing")


def test_dynamic_masking(tmp_path: Path) -> None:
    options = {"masking": "dynamic", "next_sentence": False}
    paths = make_run(tmp_path, some_documents(), examples=options)
    paths.model.mkdir()
    write_json(paths.model / "results.json", RESULTS)
    text = summarize(paths.output)
    assert "NSP accuracy 75.0%\n" in text
    assert "masked by the reader" in text
    assert "B random" not in text


def test_results_that_lack_something() -> None:
    worse = list(
        describe_results(parse_results({**RESULTS, "mlm_loss": 7.0, "nsp_accuracy": None}))
    )
    assert "0.50 ± 0.01 ABOVE the 6.50 of the training pieces' frequencies" in worse[1]
    assert worse[2] == "MLM accuracy 12.5%"
    nothing = dict.fromkeys(("mlm_loss", "unigram_loss", "mlm_accuracy", "nsp_accuracy"))
    assert list(describe_results(parse_results({**RESULTS, **nothing})))[1].startswith(
        "no validation examples"
    )
    assert list(describe_results(parse_results({"steps": 3, "mlm_loss": 2.0}))) == [
        "3 steps",
        "validation MLM loss 2.00 nats",
    ]


def test_a_run_that_stopped_early() -> None:
    (first, *_) = describe_results(parse_results({**RESULTS, "exported_step": 1500}))
    assert first.endswith("2,000 steps, 1,234,567 tokens, the best, of step 1,500, exported")
    assert "exported" not in next(
        describe_results(parse_results({**RESULTS, "exported_step": 2000}))
    )


def test_few_validation_pieces() -> None:
    few = {"is_reliable": False, "validation_pieces": 213, "validation_documents": 1}
    few |= {"mlm_loss_error": None, "below_unigram_error": None}
    lines = list(describe_results(parse_results({**RESULTS, **few})))
    assert "nats, 1.25 below the 6.50 of" in lines[1]
    assert lines[2] == (
        "too few validation pieces for this difference to mean much (213 of 1 document): "
        "raise [examples] validation_fraction"
    )


def test_results_of_earlier_versions() -> None:
    old = {"mlm_loss": 5.25, "unigram_entropy": 6.5, "steps": 3}
    assert list(describe_results(parse_results(old))) == [
        "3 steps",
        "validation MLM loss 5.25 nats",
    ]


def test_damaged_results(run: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "results.json").write_text("{")
    with pytest.raises(DataError, match=r"results\.json is damaged"):
        summarize(tmp_path)


def test_a_run_at_an_address(run: RunPaths, s3: Address) -> None:
    copy_folder(run.output, s3)
    write_text(s3 / "report.html", "")
    lines = summarize(s3).splitlines()
    assert lines[:-4] == summarize(run.output).splitlines()[:-4]
    assert lines[-4:] == [
        f"files       {s3}, report.html shows it all",
        f"next        bertdata inspect {s3}",
        f"            bertdata verify {s3}",
        f'            bertdata fill-mask --model {s3}/model "The capital of France is [MASK]."',
    ]
