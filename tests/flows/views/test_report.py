"""`bertdata report`: one page, whole in itself, right in its numbers, safe with any text."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from bertdata.errors import DataError
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from flows.views.report import word_ranks, write_report
from tests.copies import copy_folder
from tests.flows.views.html import parse
from tests.runs import make_run, some_documents

RESULTS = {
    "mlm_loss": 5.25,
    "unigram_loss": 6.5,
    "is_reliable": False,
    "validation_pieces": 213,
    "validation_documents": 4,
    "nsp_accuracy": 0.75,
    "steps": 1000,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    documents: dict[str, str | bytes] = {**some_documents(), "bad.txt": b"\xff"}
    paths = make_run(
        tmp_path_factory.mktemp("run"), documents, corpus={"name": "<b>news & more</b>"}
    )
    paths.model.mkdir()
    write_json(paths.model / "results.json", RESULTS)
    lines: list[dict[str, float | None]] = [
        {"step": step, "mlm_loss": 5 + 300 / step} for step in range(1, 1001)
    ]
    lines += [{"step": 500, "validation_mlm_loss": 5.5, "validation_nsp_loss": None}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (paths.model / "metrics.jsonl").write_text(text + '{"step": 1001, "mlm')
    return paths


def report_of(paths: RunPaths) -> str:
    path = write_report(paths)
    assert path == paths.report
    return path.read_text(encoding="utf-8")


def test_page_is_whole_in_itself(run: RunPaths) -> None:
    html = report_of(run)
    checker = parse(html)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(checker.tags)
    assert not re.findall(r"url\(|@import|https?://|//[a-z]", html)
    assert not [name for name, _ in checker.attributes if name.startswith("on") or name == "href"]
    assert "prefers-color-scheme: dark" in html
    assert checker.tags.count("svg") == 7


def test_numbers(run: RunPaths) -> None:
    text = parse(report_of(run)).text
    for wanted in (
        "1 rejected (1 invalid_utf8)",
        "corpus <b>news & more</b>",
        "40 written, 1 rejected",
        "NSP accuracy",
        "75.0%",
        "unigram loss",
        json.loads((run.examples / "manifest.json").read_bytes())["content_sha256"],
        "examples.max_seq_length",
        "1.25nats below the unigram loss",
        "mean much (213 of 4 documents): raise [examples] validation_fraction.",
    ):
        assert wanted in text


def test_same_run_same_page(run: RunPaths) -> None:
    assert report_of(run) == report_of(run)


def test_of_whatever_is_there(run: RunPaths, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    with pytest.raises(DataError, match="holds no finished stage"):
        write_report(paths)
    assert not paths.report.exists()
    number_of_plots = []
    for stage in ("sentences", "vocab", "examples"):
        shutil.copytree(run.output / stage, tmp_path / stage)
        number_of_plots.append(parse(report_of(paths)).tags.count("svg"))
    assert number_of_plots == [1, 2, 6]


def test_training_under_way_and_without_validation(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    paths = RunPaths(tmp_path)
    (paths.model / "results.json").unlink()
    assert "Model" in parse(report_of(paths)).text
    (paths.model / "metrics.jsonl").write_text('{"step": 7, "mlm_loss": 9.0}\n')
    assert "train, 7: 9.000" in parse(report_of(paths)).text
    (paths.model / "metrics.jsonl").unlink()
    assert "MLM loss" not in parse(report_of(paths)).text
    write_json(paths.model / "results.json", {"mlm_loss": None, "steps": 5, "note": ["odd"]})
    assert '["odd"]' in parse(report_of(paths)).text
    (paths.model / "metrics.jsonl").write_text('{"no": 1}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl is damaged"):
        write_report(paths)


def test_dynamic_single_segments_have_no_shares(tmp_path: Path) -> None:
    options = {"masking": "dynamic", "next_sentence": False, "validation_fraction": 0}
    paths = make_run(tmp_path, some_documents(), examples=options)
    checker = parse(report_of(paths))
    assert "the reader masks again" in checker.text
    assert checker.tags.count("svg") == 3


def test_vocabulary_that_was_given(run: RunPaths, tmp_path: Path) -> None:
    file = str(run.vocab / "vocab.txt")
    paths = make_run(tmp_path, some_documents(), vocab={"file": file})
    assert "frequency of words" not in report_of(paths)


def test_word_ranks(run: RunPaths, tmp_path: Path) -> None:
    points = word_ranks(run.vocab / "word_counts.arrow")
    assert points[0][0] == 1
    assert [count for _, count in points] == sorted((c for _, c in points), reverse=True)
    assert word_ranks(tmp_path / "none.arrow") == []


def test_a_run_at_an_address_has_the_same_page(run: RunPaths, s3: Address) -> None:
    copy_folder(run.output, s3 / run.output.name)
    remote = RunPaths(s3 / run.output.name)
    assert write_report(remote) == remote.report == s3 / run.output.name / "report.html"
    assert read_bytes(remote.report).decode() == report_of(run)
    with pytest.raises(DataError, match=f"{s3}/none holds no finished stage; first: bertdata run"):
        write_report(RunPaths(s3 / "none"))
