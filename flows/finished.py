"""What is finished of a run: manifests of its stages, results of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from bertdata.config import read_table
from bertdata.errors import BertdataError, DataError, damaged_file
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.statistics import describe_examples
from bertdata.storage.files import is_file, read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.manifest import FILE_NAME, Manifest, is_complete, read_manifest
from bertdata.storage.shards import first_line
from flows.paths import RunPaths

SPLITS = ("train", "validation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What results.json of a training says; losses in nats, None for what it lacks.

    `table`: all of it, as it is in the file.
    """

    parameters: int | None = None
    steps: int | None = None
    exported_step: int | None = None
    tokens: int | None = None
    mlm_loss: float | None = None
    unigram_loss: float | None = None
    below_unigram_error: float | None = None
    is_reliable: bool = True
    validation_pieces: int = 0
    validation_documents: int = 0
    mlm_accuracy: float | None = None
    nsp_accuracy: float | None = None
    table: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedRun:
    """A run as far as it is finished; None for what is not there.

    `metrics`: the lines of metrics.jsonl by step; empty if there is no such file.
    """

    paths: RunPaths
    sentences: Manifest | None
    vocab: Manifest | None
    examples: Manifest | None
    model: Manifest | None
    results: Results | None
    metrics: tuple[Mapping[str, float | None], ...]


def read_run(paths: RunPaths) -> FinishedRun:
    """Read manifests and results. Raises DataError if no stage is finished, or one is damaged."""
    run = FinishedRun(
        paths=paths,
        sentences=_manifest(paths.sentences),
        vocab=_manifest(paths.vocab),
        examples=_manifest(paths.examples),
        model=_manifest(paths.model),
        results=_read_results(paths.model / "results.json"),
        metrics=tuple(_read_metrics(paths.model / "metrics.jsonl")),
    )
    if not (run.sentences or run.vocab or run.examples or run.results):
        raise DataError(
            f"{paths.output} holds no finished stage; first: bertdata run CONFIG.toml "
            f"--output {paths.output}"
        )
    return run


def parse_results(table: Mapping[str, object]) -> Results:
    """The results in the table of a results.json. Raises ConfigError on a value of another type."""
    known = {key.name: table[key.name] for key in fields(Results) if key.name in table}
    return read_table(Results, {**known, "table": table}, "results.json")


def config_of(examples: Manifest) -> ExamplesConfig:
    """The configuration that examples were made with. Raises DataError if it is damaged."""
    try:
        return read_table(ExamplesConfig, examples.config["examples"], f"{FILE_NAME} of examples/")
    except (BertdataError, KeyError, TypeError) as error:
        raise damaged_file(f"{FILE_NAME} of examples/ is damaged: {first_line(error)}") from error


def splits_of(examples: Manifest) -> list[str]:
    """The splits that have examples, training first."""
    return [split for split in SPLITS if examples.counts.get(split, {}).get("examples")]


def shares_of(examples: Manifest, split: str) -> dict[str, float]:
    """The measured shares of a split; see `bertdata.examples.statistics.describe_examples`."""
    return describe_examples(examples.counts[split], config_of(examples).max_seq_length)


def nsp_baseline(run: FinishedRun) -> float | None:
    """The NSP accuracy that always giving the more frequent answer has on validation pairs."""
    examples = run.examples
    if examples is None or "validation" not in splits_of(examples):
        return None
    if not config_of(examples).next_sentence:
        return None
    share = shares_of(examples, "validation")["random_next"]
    return max(share, 1 - share)


def is_dynamic(examples: Manifest) -> bool:
    """Whether the reader masks, so that the files hold unmasked pieces."""
    return config_of(examples).masking == "dynamic"


def _manifest(folder: Location) -> Manifest | None:
    return read_manifest(folder) if is_complete(folder) else None


def _read_results(path: Location) -> Results | None:
    if not is_file(path):
        return None
    try:
        return parse_results(dict(json.loads(read_bytes(path))))
    except (BertdataError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {first_line(error)}; delete it and train again"
        ) from error


def _read_metrics(path: Location) -> list[dict[str, float | None]]:
    """The lines with a step; a last line that a kill cut off is left out."""
    if not is_file(path):
        return []
    lines = read_bytes(path).decode("utf-8", "replace").split("\n")[:-1]
    try:
        return sorted(map(json.loads, lines), key=lambda line: int(line["step"]))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} is damaged: {first_line(error)}; delete it to do without the curves"
        ) from error
