"""The page: facts and figures in templates, one file that needs nothing else."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from bertdata.storage.locations import Address, Location
from bertdata.storage.manifest import manifest_errors_as_data_errors
from bertdata.storage.writing import write_text
from flows.finished import FinishedRun, read_run
from flows.paths import RunPaths
from flows.views.report.examples import ExamplesFacts, describe_examples
from flows.views.report.figures import Curve, draw_bins, draw_curves, draw_lengths
from flows.views.report.stages import (
    Check,
    StageFacts,
    check_run,
    describe_input,
    describe_stages,
)
from flows.views.report.text import TextFacts, describe_text
from flows.views.report.training import (
    FineTuning,
    TrainingFacts,
    describe_training,
    find_finetunings,
)
from flows.views.report.vocabulary import VocabularyFacts, describe_vocabulary
from flows.wording import number, percent, printable, size

_MAX_TEXT = 5000  # characters; the longest examples have some 3,000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """Everything that the page shows; None for what the run does not have yet.

    `sources`: amounts of text that went in, and their names.
    """

    title: str
    sources: tuple[tuple[str, str], ...]
    stages: tuple[StageFacts, ...]
    checks: tuple[Check, ...]
    text: TextFacts | None
    vocabulary: VocabularyFacts | None
    examples: ExamplesFacts | None
    training: TrainingFacts | None
    finetunings: tuple[FineTuning, ...]


def write_report(paths: RunPaths, reference: Location | None = None) -> Location:
    """Write `report.html` into the run's folder; returns its path or address.

    `reference`: a vocabulary to compare the run's with. Raises DataError if no stage is finished,
    or one cannot be read.
    """
    facts = _gather(read_run(paths), reference)
    write_text(paths.report, _render(facts, dict(_draw_figures(facts))))
    return paths.report


def _gather(run: FinishedRun, reference: Location | None) -> _Facts:
    paths = run.paths
    text = vocabulary = examples = None
    if run.sentences:
        with manifest_errors_as_data_errors(paths.sentences):
            text = describe_text(paths.sentences, run.sentences)
    if run.vocab:
        with manifest_errors_as_data_errors(paths.vocab):
            vocabulary = describe_vocabulary(run, run.vocab, reference)
    if run.examples:
        with manifest_errors_as_data_errors(paths.examples):
            examples = describe_examples(run, run.examples)
    return _Facts(
        title=_name_of(paths.output),
        sources=tuple(describe_input(run.sentences)) if run.sentences else (),
        stages=tuple(describe_stages(run)),
        checks=tuple(check_run(run, vocabulary)),
        text=text,
        vocabulary=vocabulary,
        examples=examples,
        training=describe_training(run) if run.results or run.metrics else None,
        finetunings=tuple(find_finetunings(paths.output)),
    )


def _name_of(output: Location) -> str:
    if isinstance(output, Address):
        return output.name or str(output)
    return output.resolve().name


def _draw_figures(facts: _Facts) -> Iterator[tuple[str, Markup]]:
    """The figures by the names that the templates call them."""
    if facts.text:
        yield from _draw_text(facts.text)
    if facts.vocabulary and facts.vocabulary.ranks:
        yield "ranks", _draw_ranks(facts.vocabulary)
    if facts.examples:
        yield from _draw_examples(facts.examples)
    if facts.training:
        yield from _draw_training(facts.training)


def _draw_text(text: TextFacts) -> Iterator[tuple[str, Markup]]:
    for what, lengths in (
        ("sentence", text.sentence_lengths),
        ("document", text.document_lengths),
    ):
        if lengths:
            yield (
                f"{what}-lengths",
                draw_lengths(
                    lengths,
                    f"{what}-lengths",
                    x_title=f"characters in a {what}",
                    y_title=f"{what}s",
                    label=f"Histogram of {what} lengths: half have at most "
                    f"{number(lengths.median)} characters, 95% at most {number(lengths.high)}, "
                    f"the longest {number(lengths.longest)}.",
                ),
            )


def _draw_ranks(vocabulary: VocabularyFacts) -> Markup:
    (_, most), (last, least) = vocabulary.ranks[0], vocabulary.ranks[-1]
    return draw_curves(
        [Curve(name="words", style="first", points=vocabulary.ranks)],
        "ranks",
        x_title="rank of the word",
        y_title="times it occurs",
        label=f"Frequency of words by rank: the most frequent one occurs {number(most)} times, "
        f"number {number(last)} {number(least)} times.",
        is_log=True,
    )


def _draw_examples(examples: ExamplesFacts) -> Iterator[tuple[str, Markup]]:
    for split in examples.splits:
        first, last, most = max(split.lengths, key=lambda found: found[2])
        yield (
            f"{split.name}-lengths",
            draw_bins(
                split.lengths,
                f"{split.name}-lengths",
                x_title="pieces in an example",
                y_title="examples",
                label=f"Histogram of the lengths of {split.name} examples: on average "
                f"{split.mean_length:.1f} pieces; most often {first} to {last}, "
                f"in {number(most)} examples.",
            ),
        )


def _draw_training(training: TrainingFacts) -> Iterator[tuple[str, Markup]]:
    if training.losses or training.validation_losses:
        yield "losses", _draw_losses(training)
    accuracies = [
        Curve(name="masked pieces", style="first", points=_percents(training.accuracies)),
        Curve(name="next sentence", style="second", points=_percents(training.nsp_accuracies)),
    ]
    if kept := [curve for curve in accuracies if curve.points]:
        label = "; ".join(f"{curve.name} {_from_to(curve, '%')}" for curve in kept)
        yield (
            "accuracies",
            draw_curves(
                kept,
                "accuracies",
                x_title="step",
                y_title="% right",
                label=f"Training accuracy by step: {label}.",
                from_zero=True,
            ),
        )
    if training.speeds:
        curve = Curve(name="tokens/s", style="first", points=training.speeds)
        yield (
            "speeds",
            draw_curves(
                [curve],
                "speeds",
                x_title="step",
                y_title="tokens per second",
                label=f"Speed of training by step: {_from_to(curve, ' tokens per second')}.",
                from_zero=True,
            ),
        )


def _draw_losses(training: TrainingFacts) -> Markup:
    curves = [
        Curve(name="training", style="first", points=training.losses),
        Curve(name="validation", style="second", points=training.validation_losses, dots=True),
    ]
    curves = [curve for curve in curves if curve.points]
    label = "; ".join(f"{curve.name} {_from_to(curve, ' nats')}" for curve in curves)
    if (unigram := training.unigram_loss) is not None:
        steps = [step for curve in curves for step, _ in curve.points]
        ends = [(0.0, unigram), (max(steps), unigram)]
        curves.append(Curve(name="unigram", style="mark", points=ends))
        label += f"; unigram {unigram:.2f} nats"
    return draw_curves(
        curves,
        "losses",
        x_title="step",
        y_title="MLM loss, nats",
        label=f"MLM loss by step: {label}.",
    )


def _percents(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    return [(step, 100 * value) for step, value in points]


def _from_to(curve: Curve, unit: str) -> str:
    """ "from 7.27 to 5.91 nats", or the only value."""
    values = [_short_number(value) for _, value in (curve.points[0], curve.points[-1])]
    return f"{'' if len(curve.points) == 1 else f'from {values[0]} to '}{values[-1]}{unit}"


def _short_number(value: float) -> str:
    return number(value) if abs(value) >= 1000 else f"{value:.4g}"


def _render(facts: _Facts, figures: Mapping[str, Markup]) -> str:
    template = _environment().get_template("page.html")
    return template.render(facts=facts, figures=figures)


@functools.cache
def _environment() -> jinja2.Environment:
    """With the templates, which are compiled once for all pages of a process."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        finalize=_clean,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, size=size)
    return environment


def _clean(value: object) -> object:
    """Text that may stand in a page: no control characters or halves of pairs, no megabytes."""
    if type(value) is not str:
        return value
    return printable(value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]}…")
