"""Every benchmark on next to no text, so that they keep working; nothing here is about time."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.corpus.demo import demo_files
from bertdata.errors import InputError
from bertdata.tokens.vocabulary import read_vocabulary
from flows.paths import RunPaths
from flows.views.verify import verify
from tests.benchmarks import __main__ as command
from tests.benchmarks import complete, corpus, dump, fixed, kernels, scaling, transfer, wikitext
from tests.benchmarks.baseline import baseline_table, ratio_table, run_baseline
from tests.benchmarks.corpus import CorpusFile, count_repetition, take_files, write_corpus
from tests.benchmarks.empty_pages import run_dump, write_dump
from tests.benchmarks.fixed import run_fixed
from tests.benchmarks.job import GIVEN, START, JobCost, job_table, middle_run, run_job, size_table
from tests.benchmarks.material import Material, flatten, prepare, split_all
from tests.benchmarks.measure import Cost, cost_in_fresh_process, cost_of_children, cpu_seconds_of
from tests.benchmarks.scaling import run_scaling, scaling_table, write_plots
from tests.benchmarks.tables import Table, to_markdown, to_text, write_results
from vocab.config import VocabConfig

VOCABULARY_SIZE = 1000


@pytest.fixture(scope="module", autouse=True)
def demo() -> None:
    try:
        demo_files()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[CorpusFile]:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "texts", 300_000)


@pytest.fixture(scope="module")
def job(
    files: list[CorpusFile], tmp_path_factory: pytest.TempPathFactory
) -> tuple[JobCost, RunPaths]:
    folder = tmp_path_factory.mktemp("job")
    return run_job(files, folder, workers=1, vocabulary_size=VOCABULARY_SIZE), RunPaths(folder)


@pytest.fixture(scope="module")
def material(files: list[CorpusFile], tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    return prepare(files, folder, text_bytes=100_000, vocabulary_size=VOCABULARY_SIZE)


@pytest.fixture
def short_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source so small that the corpus goes through many copies of it."""
    text = "Berlin wrote 1984 letters. " * 2 + "Warsaw kept 1066 books. " * 16
    tokens = corpus._TOKEN.findall(text)
    paragraphs = ["".join(tokens[start : start + 9]) for start in range(0, 72, 9)]
    documents = ([paragraphs[:2], paragraphs[2:4]], [paragraphs[4:6], paragraphs[6:]])
    monkeypatch.setattr(corpus, "_read_documents", lambda: documents)
    monkeypatch.setattr(corpus, "_read_source", corpus._read_source.__wrapped__)


def test_corpus_is_as_large_as_wanted_and_always_the_same(tmp_path: Path) -> None:
    first, again = (write_corpus(tmp_path / name, 200_000) for name in ("one", "two"))
    assert 200_000 <= sum(file.text_bytes for file in first) < 400_000
    assert [f.path.read_bytes() for f in first] == [f.path.read_bytes() for f in again]
    assert take_files(first, 1) == first[:1]
    assert sum(1 for file in first for _ in file.path.read_bytes().splitlines()) == sum(
        f.documents for f in first
    )


def test_later_copies_differ_from_the_first(short_copies: None) -> None:
    texts = [text for text, _ in zip(corpus.generate(), range(4 * 20))]
    assert set(texts[:4]) == set(texts[:4])
    assert len(set(texts)) > 20
    words = {word for text in texts for word in text.split()}
    assert {"Berlin", "Warsaw"} < words
    assert any(word not in ("Berlin", "Warsaw") for word in words if word.istitle())


def test_repetition() -> None:
    sentences = pa.chunked_array([["a b", "c"], ["a b", "d"]])
    counts = count_repetition(sentences)
    assert counts["sentences"] == 4
    assert counts["distinct words"] == 4
    assert counts["share of sentences seen before"] == 0.25


def test_job_and_its_tables(job: tuple[JobCost, RunPaths]) -> None:
    cost, _ = job
    assert cost.examples > 0
    assert cost.pieces < cost.example_bytes
    assert cost.costs[GIVEN].cpu_seconds > 0
    table = job_table([cost, cost], [[cost], [cost]])
    assert len(table.rows) == 2 * 7
    assert (
        "1 workers do 1.00x the work of 1, once started (whole job, vocabulary given" in table.note
    )
    assert size_table(cost).rows[0]["examples"] == cost.examples


def test_a_run_that_wrote_other_bytes_is_refused(job: tuple[JobCost, RunPaths]) -> None:
    other = dataclasses.replace(job[0], content="other")
    with pytest.raises(AssertionError, match="other bytes"):
        job_table([job[0]], [[job[0], other]])


def test_the_middle_run_counts(job: tuple[JobCost, RunPaths]) -> None:
    runs = [taking(seconds, job[0]) for seconds in (2, 0, 1)]
    assert middle_run(runs) is runs[2]
    assert middle_run(runs[:2]) is runs[1]


def test_the_pair_in_the_middle_counts(job: tuple[JobCost, RunPaths]) -> None:
    """A slow phase of the machine takes both runs of a pair."""
    alone = [taking(seconds, job[0]) for seconds in (20, 40, 30)]
    together = [dataclasses.replace(taking(s, job[0]), workers=2) for s in (10, 20, 20)]
    note = job_table([alone[0], together[0]], [alone, together]).note
    expected = (
        "2 workers do 2.00x the work of 1, once started (whole job, vocabulary given; of the "
    )
    assert expected + "pairs 2.00, 2.00, 1.50 the one in the middle), with the start" in note


def taking(seconds: float, job: JobCost) -> JobCost:
    """The same, but that it took so many seconds once started."""
    whole = job.costs[GIVEN]
    wall = job.costs[START].wall_seconds + seconds
    cost = dataclasses.replace(whole, wall_seconds=wall)
    return dataclasses.replace(job, costs={**job.costs, GIVEN: cost})


def test_baseline_and_ratio(
    files: list[CorpusFile], job: tuple[JobCost, RunPaths], tmp_path: Path
) -> None:
    cost, paths = job
    baseline = run_baseline(files, 50_000, read_vocabulary(paths.vocab / "vocab.txt"), tmp_path)
    assert baseline.text_bytes >= 50_000
    assert baseline_table(baseline).rows[-1]["step"] == "whole"
    ratios = ratio_table([cost], baseline).rows
    assert ratios[-1]["ratio"] == pytest.approx(cost.speed(GIVEN) / baseline.speed())


def test_kernels(material: Material, tmp_path: Path) -> None:
    assert not set(material.seen) & set(material.new)
    rows = kernels.run_kernels(material, tmp_path, repeats=1).rows
    assert all(row["MB/core-s"] > 0 for row in rows)
    wanted = [row for row in rows if row["wanted"]]
    assert [row["wanted"] for row in wanted] == [10, 20, 25, 40, 40, 25]


def test_vocabulary_training(material: Material) -> None:
    rows = kernels.vocabulary_training(material, distinct_words=5000, small=100).rows
    assert [row["distinct"] for row in rows][1:] == [5000, 100]


def test_reading(material: Material) -> None:
    rows = kernels.reading(material, repeats=1).rows
    assert {row["masks"] for row in rows} == {"static", "dynamic"}
    assert all(row["million pieces/core-s"] > 0 for row in rows)


def test_scaling(files: list[CorpusFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "STAGES", ("sentences",))
    scales = run_scaling(files, [300_000], tmp_path, workers=1, vocabulary_size=VOCABULARY_SIZE)
    table = scaling_table(scales, 1)
    assert [row["stage"] for row in table.rows] == ["sentences"]
    assert all(row["to the first"] == 1 for row in table.rows)
    write_plots(tmp_path / "scaling.html", {1: scales})
    assert (tmp_path / "scaling.html").read_text(encoding="utf-8").count("<svg") == 2


def test_fixed_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed, "STAGES", ())  # each takes seconds; the job's test runs them
    monkeypatch.setattr(fixed, "HELP_RUNS", 1)
    rows = run_fixed(tmp_path, [1]).rows
    assert [row["what"] for row in rows] == ["all stages", "bertdata --help (median)"]


def test_children_are_measured() -> None:
    code = "import os; x = bytes(80_000_000); sum(range(10**7))"
    status, cost = cost_of_children(lambda: os.spawnlp(os.P_WAIT, "python3", "python3", "-c", code))
    assert status == 0
    assert cost.cpu_seconds > 0
    if cost.peaks:
        assert cost.largest_peak > 5_000_000


def test_own_work_is_measured() -> None:
    cost = cost_in_fresh_process(sum, range(10**6))
    assert cost.cpu_seconds > 0
    calls: list[int] = []
    assert cpu_seconds_of(calls.append, lambda: 1, repeats=3, warm_up=True) >= 0
    assert calls == [1, 1, 1, 1]


def test_tables_are_printed_and_written(tmp_path: Path) -> None:
    table = Table(title="T", rows=({"what": "a", "n": 1.5}, {"what": "b", "m": 12345}), note="N.")
    assert to_text(table).splitlines()[3:] == [
        "what  n    m",
        "a     1.5",
        "b          12,345",
        "N.",
    ]
    assert "| b |  | 12,345 |" in to_markdown(table)
    write_results(tmp_path, [table], {"text": 1.0})
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert results["tables"][0]["rows"][1]["m"] == 12345
    assert "## T" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--only=baseline", "--baseline-megabytes=0.02", "--vocabulary-size=800"]
    assert command.main([*arguments, f"--output={tmp_path}"]) == 0
    assert "The baseline" in capsys.readouterr().out
    assert (tmp_path / "results.md").is_file()
    with pytest.raises(SystemExit):
        command.main(["--only=nothing"])


def test_flat_sentences() -> None:
    assert flatten(split_all(["One. Two.", "Three."])).to_pylist() == ["One.", "Two.", "Three."]


def test_transfer_holds_its_test_sentences_out(shared_data: Path, tmp_path: Path) -> None:
    options = transfer.make_parser().parse_args([f"--data={shared_data / 'classification'}"])
    splits = {
        task: transfer.split(transfer.read_task(options.data, task)) for task in transfer.TASKS
    }
    transfer.write_material(tmp_path, options, splits)
    lines = {
        line
        for name in ("sentences.txt", "reviews.txt")
        for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()
    }
    assert len(lines) > 50_000
    for parts in splits.values():
        assert len(parts["test"]) == len(parts["validation"]) >= 1000
        held_out = {row.sentence for name in ("test", "validation") for row in parts[name]}
        assert not held_out & lines
        assert not held_out & {row.sentence for row in parts["train"]}


def test_wikitext_beside_wikiextractor(tmp_path: Path) -> None:
    pages = "".join(
        f"<page><title>{n}</title><ns>0</ns><revision><text>{'Plain words stand here ' * 20}"
        "[[a|b]]{{c}}</text></revision></page>"
        for n in range(3)
    )
    (tmp_path / "dump.xml").write_text(f"<mediawiki>{pages}</mediawiki>")
    path = tmp_path / "dump.xml"
    long_dump = wikitext.repeat_pages(path, 2)
    assert len(wikitext.read_articles(long_dump)) == 6
    (row, *_) = wikitext.compare(path, long_dump, sys.executable, repeats=1).rows
    assert row["program"] == "bertdata"
    assert row["MB/s"] > 0
    assert {row[name] for name in (*wikitext.LEFTOVERS, "lost")} == {0}


def test_every_empty_page_is_counted(tmp_path: Path) -> None:
    write_dump(tmp_path / "dump.xml", 3000)
    assert run_dump(tmp_path, workers=1) == {
        "documents_read": 3001,
        "documents_written": 1,
        "documents_rejected": 3000,
    }


def test_a_grown_dump_goes_through_the_job(tmp_path: Path) -> None:
    paragraph = "A plain sentence of some words stands here, and [[Link|another]] one follows it. "
    article = (
        "  <page>\n    <title>{0}</title>\n    <ns>0</ns>\n    <id>{0}</id>\n    <revision>"
        "<text>Lead of {0}. " + paragraph * 5 + "\n== Part ==\n" + paragraph * 9 + "</text>"
        "</revision>\n  </page>\n"
    )
    redirect = article.format(9).replace("<ns>0</ns>", '<ns>0</ns><redirect title="3" />')
    small = tmp_path / "small.xml"
    small.write_text(f"<mediawiki>\n{''.join(map(article.format, range(3)))}{redirect}</mediawiki>")
    pages = dump.read_pages(small)
    assert (len(pages.articles), len(pages.redirects), len(pages.sections)) == (3, 1, 3)
    grown, paths = tmp_path / "grown.xml", RunPaths(tmp_path / "run")
    number = dump.grow_dump(pages, grown, 60_000)
    config = dataclasses.replace(dump.make_config(grown, 1), vocab=VocabConfig(size=60))
    table = dump.describe(dump.measure(config, paths), grown.stat().st_size, paths)
    assert [row["stage"] for row in table.rows] == list(dump.STAGES)
    assert f"{number:,} pages = " in table.note
    assert " redirect" in table.note
    assert verify(paths.output) == []


def test_a_complete_stage_and_an_empty_flow_run_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def cost(arguments: list[str], environment: dict[str, str]) -> Cost:
        ran.append(Path(arguments[0]).name)
        return Cost(wall_seconds=len(arguments), cpu_seconds=2 * len(arguments))

    monkeypatch.setattr(complete, "_cost", cost)
    complete._prepare(tmp_path)
    row = complete.compare(tmp_path, 2, {})
    assert ran == ["-m", *["-m", "empty.py"] * 2]
    assert (row["ratio"], row["ratio of core-s"]) == (5, 5)
    assert {"small.toml", "empty.py", "texts"} <= {path.name for path in tmp_path.iterdir()}
