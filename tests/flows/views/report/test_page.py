"""`bertdata report`: one page, whole in itself, right in its numbers, safe with any text."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.errors import DataError
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from flows.views.report import page
from flows.views.report.page import write_report
from tests.copies import copy_folder
from tests.flows.views.report.html import parse
from tests.flows.views.report.runs import SCRIPT, add_finetuning, hostile_run
from tests.runs import edit_manifest, make_run, some_documents

ROOT = Path(page.__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return hostile_run(tmp_path_factory.mktemp("run"))


def report_of(paths: RunPaths, reference: Path | None = None) -> str:
    path = write_report(paths, reference)
    assert path == paths.report
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(run: RunPaths) -> str:
    """The page of `run`."""
    return report_of(run)


def test_page_is_whole_in_itself(html: str) -> None:
    checker = parse(html)
    assert not {"script", "img", "iframe", "object", "form"} & set(checker.tags)
    assert not re.findall(r"url\((?!#)|@import|https?://|//[a-z]", html)
    assert not [name for name, _ in checker.attributes if name.startswith("on")]
    links = [*checker.values("href"), *checker.values("xlink:href")]
    assert all(link == "data:," or str(link).startswith("#") for link in links)
    assert "prefers-color-scheme: dark" in html
    assert len(html) < 300_000


def test_nothing_from_data_is_markup(run: RunPaths, html: str, tmp_path: Path) -> None:
    pieces = tmp_path / "vocab.txt"
    own = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<script>alert(3)</script>\n"
    pieces.write_text(own + "x" * 1_000_000)
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    shutil.copy(pieces, paths.vocab / "vocab.txt")
    other = report_of(paths)
    text = parse(other).text + parse(html).text
    for wanted in (f"{SCRIPT} & more", "<script>alert(2).txt", "<script>alert(3)</script>"):
        assert wanted in text
    assert "<script" not in other + html
    assert len(other) < 300_000  # names and pieces are cut


def test_headings_labels_and_captions(html: str) -> None:
    checker = parse(html)
    levels = [int(tag[1]) for tag in checker.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    tags = Counter(checker.tags)
    assert tags["svg"] == tags["figure"] == tags["figcaption"] == 8
    assert checker.values("role").count("img") == 8
    assert all(len(label or "") >= 8 for label in checker.values("aria-label"))
    assert tags["table"] == tags["caption"]
    assert '<html lang="en">' in html


def test_ids_are_unique_and_links_lead_to_them(html: str) -> None:
    checker = parse(html)
    ids = checker.values("id")
    assert len(ids) == len(set(ids))
    wanted = {str(link)[1:] for link in checker.values("href") if str(link).startswith("#")}
    assert wanted | set(checker.values("aria-labelledby")) <= set(ids)


def test_numbers(run: RunPaths, html: str) -> None:
    text = parse(html).text
    for wanted in (
        "43 = 41 + 2",
        "Why 2 documents were rejected",
        "invalid_utf8",
        "NSP accuracy 75.0%",
        "content hashes agree",
        json.loads((run.examples / "manifest.json").read_bytes())["content_sha256"],
        "examples.max_seq_length",
        "1.25 ± 0.00 nats below them",
        "mean much (213 of 4 documents): raise [examples] validation_fraction.",
        "20 examples as they are read",
    ):
        assert wanted in text


def test_checks_that_fail(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    paths = RunPaths(tmp_path)
    edit_manifest(tmp_path / "sentences", lambda table: table["counts"].update(documents_read=50))
    edit_manifest(
        tmp_path / "vocab", lambda table: table["inputs"]["sentences"].update(content_sha256="0")
    )
    write_json(paths.model / "results.json", {"mlm_loss": 7.0, "unigram_loss": 6.5})
    checker = parse(report_of(paths))
    assert checker.values("class").count("broken") == 3
    assert "not vocab from sentences" in checker.text
    assert "0.50 ± 0.00 nats above them" in checker.text


def test_same_run_same_page(run: RunPaths, html: str) -> None:
    assert report_of(run) == html


def test_of_whatever_is_there(run: RunPaths, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    with pytest.raises(DataError, match="holds no finished stage"):
        write_report(paths)
    assert not paths.report.exists()
    number_of_figures = []
    for stage in ("sentences", "vocab", "examples"):
        shutil.copytree(run.output / stage, tmp_path / stage)
        number_of_figures.append(parse(report_of(paths)).tags.count("svg"))
    assert number_of_figures == [2, 3, 5]


@pytest.mark.parametrize("gone", ["sentences", "vocab"])
def test_examples_without_what_they_were_made_from(
    run: RunPaths, tmp_path: Path, gone: str
) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / gone)
    text = parse(report_of(RunPaths(tmp_path))).text
    assert ("a document that is not in sentences/" in text) == (gone == "sentences")
    assert ("examples as they are read" in text) == (gone == "sentences")


def test_damage_is_one_readable_error(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    for stage, key in (("sentences", "rejected"), ("vocab", "pieces"), ("examples", "train")):
        before = (tmp_path / stage / "manifest.json").read_bytes()
        edit_manifest(tmp_path / stage, lambda table, key=key: table["counts"].pop(key))
        if stage != "examples":  # a split may be missing
            with pytest.raises(DataError, match=rf"{stage}/manifest\.json is damaged"):
                write_report(RunPaths(tmp_path))
        (tmp_path / stage / "manifest.json").write_bytes(before)
    (tmp_path / "sentences" / "sentences-00000-of-00001.arrow").write_bytes(b"ARROW1")
    with pytest.raises(DataError, match="is not a complete Arrow file"):
        write_report(RunPaths(tmp_path))


def test_training_under_way_and_without_validation(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    paths = RunPaths(tmp_path)
    (paths.model / "results.json").unlink()
    assert "Training" in parse(report_of(paths)).text
    (paths.model / "metrics.jsonl").write_text('{"step": 7, "mlm_loss": 9.0}\n')
    assert "MLM loss by step: training 9 nats." in parse(report_of(paths)).values("aria-label")
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
    assert checker.tags.count("svg") == 4
    assert "ruby" not in checker.tags
    assert "15 examples as they are read" in checker.text


def test_a_vocabulary_that_was_given_is_measured_on_some_sentences(
    run: RunPaths, tmp_path: Path
) -> None:
    file = str(run.vocab / "vocab.txt")
    paths = make_run(tmp_path, some_documents(), vocab={"file": file})
    text = parse(report_of(paths)).text
    assert "It was given, not made from this text" in text
    assert "pieces per word" in text
    assert "rank of the word" not in text


def test_a_vocabulary_to_compare_with(run: RunPaths, tmp_path: Path) -> None:
    other = tmp_path / "other" / "vocab.txt"
    other.parent.mkdir()
    other.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n")
    text = parse(report_of(run, other)).text
    assert "this vocabulary other/vocab.txt pieces 150 6" in text
    assert "Characters of the text that other/vocab.txt lacks" in text
    assert "a U+0061" in text


def test_fine_tunings_in_the_folder(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path, dirs_exist_ok=True)
    add_finetuning(tmp_path / "tuned" / "<sst>", finished=False)
    write_json(tmp_path / "other" / "results.json", {"format": "of something else"})
    text = parse(report_of(RunPaths(tmp_path))).text
    assert "tuned/<sst>/ not finished classification 90 train, 10 validation 2" in text
    assert "accuracy 0.875 ± 0.125" in text
    write_json(tmp_path / "tuned" / "bad" / "results.json", {"format": "bertdata-finetuned"})
    with pytest.raises(DataError, match=r"bad/results\.json is damaged: 'rows'; fine-tune again"):
        write_report(RunPaths(tmp_path))


def test_a_run_at_an_address_has_the_same_page(run: RunPaths, html: str, s3: Address) -> None:
    copy_folder(run.output, s3 / run.output.name)
    remote = RunPaths(s3 / run.output.name)
    assert write_report(remote) == remote.report == s3 / run.output.name / "report.html"
    assert without_times(read_bytes(remote.report).decode()) == without_times(html)
    with pytest.raises(DataError, match=f"{s3}/none holds no finished stage; first: bertdata run"):
        write_report(RunPaths(s3 / "none"))


def without_times(html: str) -> str:
    """A page without what its files' times say; copies of files have times of their own."""
    return re.sub(r"<p>finished .*?</p>|<p><span class=\"took\">.*?</p>\n?", "", html)


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_is_escaped(text: str) -> None:
    facts = page._Facts(
        title=text,
        sources=((text, text),),
        stages=(),
        checks=(page.Check(rule=text, is_kept=True, numbers=text),),
        text=None,
        vocabulary=None,
        examples=None,
        training=None,
        finetunings=(),
    )
    html = page._render(facts, {})
    html.encode("utf-8")
    assert Counter(parse(html).tags)["li"] == 4


@pytest.mark.usefixtures("html")
def test_pictures_are_drawn_in_a_moment(run: RunPaths) -> None:
    start = time.process_time()
    write_report(run)
    assert time.process_time() - start < 5


def test_an_installed_package_has_the_templates() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (pattern,) = project["tool"]["setuptools"]["package-data"]["flows.views.report"]
    folder = ROOT / "flows" / "views" / "report"
    others = {path for path in folder.rglob("*.*") if path.suffix not in (".py", ".pyc")}
    assert others
    assert others == set(folder.glob(pattern))
