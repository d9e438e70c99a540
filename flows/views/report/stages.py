"""The stages of a run: what each has made from what, when, and whether that fits together."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bertdata.checks.shares import check_masking
from bertdata.storage.files import find_file, is_file, read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.manifest import FILE_NAME, Manifest, manifest_errors_as_data_errors
from flows.finished import FinishedRun, Results, config_of, is_dynamic, nsp_baseline, splits_of
from flows.views.report.vocabulary import VocabularyFacts
from flows.wording import duration, number, percent, size

_RARE_UNKNOWN = 0.01
_SURE = 2  # standard errors
_MAX_ROWS = 200  # of a configuration, or of inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class StageFacts:
    """One stage. `finished`: when its manifest was written, in UTC, "2026-11-29 07:56:22".

    `took`: how long that was after the stage before, or the parts of a training, in words.
    `config`, `inputs`: flat names and values of the manifest, the first few
    hundred of them.
    """

    name: str
    amounts: tuple[tuple[str, str], ...]
    files: str
    content_sha256: str
    finished: str
    took: str
    config: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A rule that a good run keeps, whether this one does, and the numbers behind that."""

    rule: str
    is_kept: bool
    numbers: str


def describe_input(sentences: Manifest) -> Iterator[tuple[str, str]]:
    """What the sentences were made from: numbers and their names."""
    corpora = [found for found in sentences.inputs.values() if isinstance(found, list)]
    files = [file for found in corpora for file in found]
    yield number(len(sentences.config["corpus"])), "corpora" if len(corpora) > 1 else "corpus"
    yield number(len(files)), "input files"
    yield size(sum(file["bytes"] for file in files)), "on the disk"
    yield number(sentences.counts["documents_read"]), "documents read"


def describe_stages(run: FinishedRun) -> Iterator[StageFacts]:
    """The finished stages in their order."""
    before: int | None = None
    for name, folder, manifest, amounts in (
        ("sentences", run.paths.sentences, run.sentences, _sentences_amounts),
        ("vocab", run.paths.vocab, run.vocab, _vocabulary_amounts),
        ("examples", run.paths.examples, run.examples, _examples_amounts),
        ("model", run.paths.model, run.model, _model_amounts),
    ):
        if manifest is None:
            continue
        changed = find_file(folder / FILE_NAME).changed
        took = _training_time(folder) or _after(before, changed)
        with manifest_errors_as_data_errors(folder):
            yield _describe_stage(name, manifest, tuple(amounts(manifest)), _utc(changed), took)
        before = changed


def _describe_stage(
    name: str, manifest: Manifest, amounts: tuple[tuple[str, str], ...], finished: str, took: str
) -> StageFacts:
    count, total = len(manifest.shards), sum(shard.bytes for shard in manifest.shards)
    return StageFacts(
        name=name,
        amounts=amounts,
        files=f"{number(count)} file{'' if count == 1 else 's'}, {size(total)}",
        content_sha256=manifest.content_sha256,
        finished=finished,
        took=took,
        config=_first_rows(manifest.config),
        inputs=_first_rows(manifest.inputs),
    )


def check_run(run: FinishedRun, vocabulary: VocabularyFacts | None) -> Iterator[Check]:
    """The checks for which the run is far enough."""
    if run.sentences:
        yield _check_documents(run.sentences.counts)
    if len(links := list(_links(run))):
        broken = [name for name, is_same in links if not is_same]
        found = f"not {' and '.join(broken)}" if broken else "content hashes agree"
        yield Check(
            rule="Each stage was made from the one before", is_kept=not broken, numbers=found
        )
    if vocabulary and vocabulary.coverages:
        share = vocabulary.coverages[0].unknown_share
        rule = f"Less than {percent(_RARE_UNKNOWN)} of the words are unknown"
        yield Check(rule=rule, is_kept=share < _RARE_UNKNOWN, numbers=f"{share:.3%} become [UNK]")
    if run.examples and not is_dynamic(run.examples):
        yield _check_masks(run.examples)
    yield from _check_results(run, run.results or Results())


def _check_documents(counts: Mapping[str, int]) -> Check:
    read, written, rejected = (
        counts[f"documents_{end}"] for end in ("read", "written", "rejected")
    )
    return Check(
        rule="Every document read is written or rejected",
        is_kept=read == written + rejected,
        numbers=f"{number(read)} = {number(written)} + {number(rejected)}",
    )


def _links(run: FinishedRun) -> Iterator[tuple[str, bool]]:
    """("vocab from sentences", whether its manifest names the content of sentences/), …"""
    pairs = (
        (run.vocab, "sentences", run.sentences),
        (run.examples, "sentences", run.sentences),
        (run.model, "examples", run.examples),
    )
    for later, name, earlier in pairs:
        if later and earlier and name in later.inputs:
            kind = later.format.removeprefix("bertdata-")
            hash_ = later.inputs[name]["content_sha256"]
            yield f"{kind} from {name}", hash_ == earlier.content_sha256


def _check_masks(examples: Manifest) -> Check:
    total = {"predicted": 0, "masked": 0, "kept": 0, "replaced": 0}
    for split in splits_of(examples):
        for name in total:
            total[name] += examples.counts[split][name]
    findings = list(check_masking(total, examples.inputs["vocabulary"]["size"]))
    shares = " / ".join(
        percent(total[name] / max(1, total["predicted"])) for name in ("masked", "kept", "replaced")
    )
    rule = "80 / 10 / 10 of the predicted pieces are [MASK], kept, replaced"
    return Check(rule=rule, is_kept=not findings, numbers="; ".join(findings) or shares)


def _check_results(run: FinishedRun, results: Results) -> Iterator[Check]:
    loss, unigram = results.mlm_loss, results.unigram_loss
    if loss is not None and unigram is not None:
        error = results.below_unigram_error or 0.0
        below = unigram - loss
        yield Check(
            rule="The model predicts better than the frequencies of pieces",
            is_kept=below > _SURE * error,
            numbers=f"{abs(below):.2f} ± {error:.2f} nats {'below' if below > 0 else 'above'} them",
        )
    accuracy, baseline = results.nsp_accuracy, nsp_baseline(run)
    if accuracy is not None and baseline is not None:
        yield Check(
            rule="It tells pairs apart better than always giving one answer",
            is_kept=accuracy > baseline,
            numbers=f"{percent(accuracy)}, always the same {percent(baseline)}",
        )


def _sentences_amounts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    counts = manifest.counts
    yield number(counts["documents_written"]), "documents"
    yield number(counts["sentences"]), "sentences"
    yield size(counts["text_bytes"]), "of text"
    yield number(counts["documents_rejected"]), "documents rejected"


def _vocabulary_amounts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield number(manifest.counts["pieces"]), "pieces"
    if "words" in manifest.counts:
        yield number(manifest.counts["words"]), "words"
        yield number(manifest.counts["distinct_words"]), "distinct words"


def _examples_amounts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for split in splits_of(manifest):
        yield number(manifest.counts[split]["examples"]), f"{split} examples"
    yield number(sum(manifest.counts[s]["pieces"] for s in splits_of(manifest))), "pieces"
    yield str(config_of(manifest).max_seq_length), "pieces at most"


def _model_amounts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for key in ("parameters", "steps", "tokens"):
        if (value := manifest.counts.get(key)) is not None:
            yield number(value), key
    if (loss := manifest.counts.get("mlm_loss")) is not None:
        yield f"{loss:.2f}", "validation loss, nats"


def _utc(nanoseconds: int) -> str:
    """ "2026-11-29 07:56:22", or "" where the storage does not know."""
    if not nanoseconds:
        return ""
    moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _after(before: int | None, changed: int) -> str:
    if not before or changed < before:
        return ""
    return f"{duration((changed - before) / 1e9)} after the stage before"


def _training_time(folder: Location) -> str:
    path = folder / "timing.json"
    if not is_file(path):
        return ""
    try:
        seconds = float(json.loads(read_bytes(path))["train"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{duration(seconds)} of training"


def _first_rows(table: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    rows = _flatten(table)
    shown = tuple(itertools.islice(rows, _MAX_ROWS))
    left = sum(1 for _ in rows)
    return (*shown, ("…", f"{number(left)} more in {FILE_NAME}")) if left else shown


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
