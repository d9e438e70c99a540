"""`bertdata report`: one HTML page about the finished stages of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from bertdata.storage.files import is_file
from bertdata.storage.locations import Address, Location
from bertdata.storage.manifest import Manifest
from bertdata.storage.schema import WORD_COUNTS, check_schema
from bertdata.storage.shards import open_arrow
from bertdata.storage.writing import write_text
from flows.finished import (
    FinishedRun,
    Results,
    config_of,
    is_dynamic,
    nsp_baseline,
    read_run,
    shares_of,
    splits_of,
)
from flows.paths import RunPaths
from flows.views.inspect import bin_lengths
from flows.views.report_html import (
    code_table,
    details,
    element,
    facts_table,
    figure,
    page,
    plots,
    section,
    tiles,
)
from flows.views.report_plots import Axis, Point, Series, bar_plot, line_plot, share_plot
from flows.views.summary import describe_rejected, too_few
from flows.wording import number, percent, size

_MAX_BARS = 64
_LENGTH_BARS = 32
_MAX_POINTS = 400
_RANDOM_NEXT = 0.5
_RANDOM_NOTE = " A segment of a single sentence always gets a random B, so more than half have one."
_RESULT_NAMES = {
    "mlm_loss": "MLM loss, nats",
    "mlm_loss_error": "its standard error, over documents",
    "unigram_loss": "MLM loss of the training pieces' frequencies alone, nats",
    "unigram_loss_error": "its standard error",
    "below_unigram": "nats below that",
    "below_unigram_error": "its standard error",
    "is_reliable": "enough validation pieces",
    "validation_pieces": "validation pieces predicted",
    "validation_documents": "validation documents",
    "unigram_entropy": "entropy of the validation pieces themselves, nats",
    "mlm_accuracy": "MLM accuracy",
    "nsp_accuracy": "NSP accuracy",
    "steps": "steps",
    "exported_step": "step exported",
    "tokens": "pieces trained on",
    "parameters": "parameters",
}


def write_report(paths: RunPaths) -> Location:
    """Write `report.html` into the run's folder; returns its path or address.

    Raises DataError if no stage is finished, or one cannot be read.
    """
    run = read_run(paths)
    title = f"bertdata: {_name_of(paths.output)}"
    write_text(paths.report, page(title, _body(title, run)))
    return paths.report


def _name_of(output: Location) -> str:
    if isinstance(output, Address):
        return output.name or str(output)
    return output.resolve().name


def _body(title: str, run: FinishedRun) -> Iterator[Element]:
    yield element("h1", title)
    yield element("p", "text → sentences → vocabulary → examples → BERT")
    yield tiles(_headline(run))
    if run.results or run.metrics:
        yield _model_section(run)
    if run.examples:
        yield _examples_section(run.examples)
    if run.vocab:
        yield _vocabulary_section(run.vocab, run.paths)
    if run.sentences:
        yield _sentences_section(run.sentences)
    yield _origin_section(run)
    yield element(
        "footer", "Made by bertdata report from the manifests and results in this folder."
    )


def _headline(run: FinishedRun) -> Iterator[tuple[str, str]]:
    if run.sentences:
        counts = run.sentences.counts
        yield number(counts["documents_written"]), "documents"
        yield size(counts["text_bytes"]), "of text"
    if run.vocab:
        yield number(run.vocab.counts["pieces"]), "pieces in the vocabulary"
    if run.examples:
        for split in splits_of(run.examples):
            yield number(run.examples.counts[split]["examples"]), f"{split} examples"
    yield from _headline_results(run.results or Results())


def _headline_results(results: Results) -> Iterator[tuple[str, str]]:
    loss, unigram = results.mlm_loss, results.unigram_loss
    if loss is not None:
        yield f"{loss:.2f}", "validation MLM loss, nats"
    if loss is not None and unigram is not None:
        side = "below" if loss < unigram else "above"
        yield f"{abs(unigram - loss):.2f}", f"nats {side} the unigram loss"
    if results.nsp_accuracy is not None:
        yield percent(results.nsp_accuracy), "NSP accuracy"


def _model_section(run: FinishedRun) -> Element:
    contents: list[Element] = []
    if run.results:
        contents.append(facts_table(_result_rows(run.results, nsp_baseline(run))))
    if curves := list(_loss_series(run)):
        plot = line_plot(
            curves, x_axis=Axis(title="step"), y_axis=Axis(title="nats"), label="MLM loss by step"
        )
        caption = (
            "Loss on the pieces to predict. The unigram loss is that of predicting by the "
            "frequencies of the training pieces alone, on the validation split."
        )
        contents.insert(0, figure(plot, caption))
    if run.results and not run.results.is_reliable and run.results.mlm_loss is not None:
        note = f"There are {too_few(run.results)}: raise [examples] validation_fraction."
        contents.append(element("p", note))
    return section("Model", plots(contents))


def _result_rows(results: Results, baseline: float | None) -> Iterator[tuple[str, str]]:
    for key, value in results.table.items():
        if value is None:
            continue
        text = _result_text(key, value)
        if key == "nsp_accuracy" and baseline is not None:
            text += f" (always the same answer: {percent(baseline)})"
        yield _RESULT_NAMES.get(key, key), text


def _result_text(key: str, value: object) -> str:
    if isinstance(value, float) and key.endswith("accuracy"):
        return percent(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int) else json.dumps(value)


def _loss_series(run: FinishedRun) -> Iterator[Series]:
    train = _points(run.metrics, "mlm_loss")
    validation = _points(run.metrics, "validation_mlm_loss")
    results = run.results or Results()
    exported = results.exported_step or results.steps or 0
    if results.mlm_loss is not None and exported not in {step for step, _ in validation}:
        validation.append((exported, results.mlm_loss))
    steps = [step for step, _ in (*train, *validation)]
    if not steps:
        return
    yield Series(name="train", color="first", points=_thin(train))
    yield Series(name="validation", color="second", points=validation, dots=True)
    if (unigram := results.unigram_loss) is not None:
        ends = [(0, unigram), (max(steps), unigram)]
        yield Series(name="unigram loss", color="mark", points=ends)


def _points(metrics: Sequence[Mapping[str, float | None]], key: str) -> list[Point]:
    points = ((line["step"], line.get(key)) for line in metrics)
    return [(step, value) for step, value in points if step is not None and value is not None]


def _thin(points: Sequence[Point]) -> Sequence[Point]:
    """At most a few hundred points: means of neighbours."""
    size = -(-len(points) // _MAX_POINTS)
    if size <= 1:
        return points
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _examples_section(manifest: Manifest) -> Element:
    config = config_of(manifest)
    figures = [
        figure(
            bar_plot(
                [
                    (f"{first} to {last}", count)
                    for first, last, count in bin_lengths(
                        manifest.counts[split]["lengths"], config.max_seq_length, _LENGTH_BARS
                    )
                ],
                x_title="pieces",
                y_title="examples",
                label=f"length of {split} examples",
            ),
            f"Length of {split} examples, [CLS] and [SEP] included.",
        )
        for split in splits_of(manifest)
    ]
    figures += [
        figure(
            share_plot(shares, label=f"shares of {split} examples"),
            f"Shares of {split} examples; the tick is the configured share."
            f"{_RANDOM_NOTE if config.next_sentence else ''}",
        )
        for split in splits_of(manifest)
        if (shares := list(_wanted_shares(manifest, split)))
    ]
    return section("Examples", facts_table(_example_rows(manifest)), plots(figures))


def _example_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for split in splits_of(manifest):
        counts, shares = manifest.counts[split], shares_of(manifest, split)
        yield (
            split,
            f"{number(counts['examples'])} examples, {number(counts['pieces'])} pieces, "
            f"{shares['mean_length']:.1f} on average; {percent(shares['padding'])} padding "
            f"if padded to {config_of(manifest).max_seq_length}",
        )
    if is_dynamic(manifest):
        yield "masking", "dynamic: the reader masks again in every epoch"
    yield "files", _files(manifest)


def _wanted_shares(manifest: Manifest, split: str) -> Iterator[tuple[str, float, float]]:
    config, shares = config_of(manifest), shares_of(manifest, split)
    if not is_dynamic(manifest):
        yield "pieces predicted", shares["predicted"], config.masked_lm_prob
        yield "shown as [MASK]", shares["masked"], 0.8
        yield "shown unchanged", shares["kept"], 0.1
        yield "shown as another", shares["replaced"], 0.1
    if config.next_sentence:
        yield "B is random", shares["random_next"], _RANDOM_NEXT


def _vocabulary_section(manifest: Manifest, paths: RunPaths) -> Element:
    counts = manifest.counts
    rows = [("pieces", number(counts["pieces"])), ("files", _files(manifest))]
    if "words" in counts:
        words = f"{number(counts['words'])}, {number(counts['distinct_words'])} distinct"
        rows.insert(1, ("words", words))
    contents = [facts_table(rows)]
    if points := word_ranks(paths.vocab / "word_counts.arrow"):
        series = Series(name="words", color="first", points=points)
        plot = line_plot(
            [series],
            x_axis=Axis(title="rank of the word", is_log=True),
            y_axis=Axis(title="times it occurs", is_log=True),
            label="frequency of words by rank",
        )
        caption = "How often the words occur, by rank (Zipf's law: a straight line falling 1 to 1)."
        contents.insert(0, figure(plot, caption))
    return section("Vocabulary", plots(contents))


def word_ranks(path: Location) -> list[Point]:
    """(rank, count) of words, most frequent first, at ranks evenly spread over a log axis."""
    if not is_file(path):
        return []
    with open_arrow(path) as reader:
        check_schema(reader.schema, WORD_COUNTS, str(path))
        counts = reader.read_all()["count"].to_numpy()
    if not len(counts):
        return []
    ranks = np.unique(np.geomspace(1, len(counts), _MAX_POINTS).round().astype(np.int64))
    return [(float(rank), float(counts[rank - 1])) for rank in ranks]


def _sentences_section(manifest: Manifest) -> Element:
    counts = manifest.counts
    rows = [
        ("documents read", number(counts["documents_read"])),
        ("documents written", number(counts["documents_written"])),
        ("documents rejected", describe_rejected(counts)),
        ("ids that repeat", number(counts.get("repeated_ids", 0))),
        ("sentences", number(counts["sentences"])),
        ("text", size(counts["text_bytes"])),
        *((f"corpus {name}", _outcomes(table)) for name, table in counts["sources"].items()),
        ("files", _files(manifest)),
    ]
    plot = bar_plot(
        _partition_bars(counts["documents_per_partition"]),
        x_title="partition",
        y_title="documents",
        label="documents in each partition",
    )
    caption = "Documents in each partition, chosen by a seeded hash of their ids."
    return section("Sentences", plots([figure(plot, caption), facts_table(rows)]))


def _outcomes(table: Mapping[str, int]) -> str:
    return ", ".join(f"{number(table.get(key, 0))} {key}" for key in ("written", "rejected"))


def _partition_bars(sizes: Sequence[int]) -> list[tuple[str, float]]:
    """One bar per partition; if there are very many, neighbours share one."""
    width = -(-len(sizes) // _MAX_BARS)
    bars: list[tuple[str, float]] = []
    for first in range(0, len(sizes), width):
        part = sizes[first : first + width]
        name = str(first) if width == 1 else f"{first} to {first + len(part) - 1}"
        bars.append((name, sum(part)))
    return bars


def _origin_section(run: FinishedRun) -> Element:
    stages = [
        (name, stage)
        for name, stage in (
            ("sentences", run.sentences),
            ("vocab", run.vocab),
            ("examples", run.examples),
            ("model", run.model),
        )
        if stage
    ]
    hashes = [(f"{name}/", stage.content_sha256) for name, stage in stages]
    tables = [
        details(f"configuration of {name}/", code_table(_flatten(stage.config)))
        for name, stage in stages
    ]
    tables += [
        details(f"inputs of {name}/", code_table(_flatten(stage.inputs))) for name, stage in stages
    ]
    note = "Equal data has an equal content hash, whatever the time, place or number of workers."
    return section("Configuration and hashes", element("p", note), code_table(hashes), *tables)


def _flatten(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """("examples.max_seq_length", "128") for each value in nested tables and lists of tables."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for place, inner in enumerate(value):
            yield from _flatten(inner, f"{name}[{place}]")
    else:
        yield name, json.dumps(value, ensure_ascii=False)


def _files(manifest: Manifest) -> str:
    total = sum(shard.bytes for shard in manifest.shards)
    return f"{number(len(manifest.shards))}, {size(total)}"
