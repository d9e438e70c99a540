"""What is there of a run: the manifests of its finished stages, the results of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertdata.errors import DataError
from bertdata.examples.statistics import describe_examples
from bertdata.storage.manifest import Manifest, is_complete, read_manifest
from bertdata.storage.shards import first_line
from flows.paths import RunPaths

SPLITS = ("train", "validation")


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedRun:
    """A run as far as it has come; None or nothing for what is not there.

    `results`: results.json of training. `metrics`: the lines of metrics.jsonl, in order of steps.
    """

    paths: RunPaths
    sentences: Manifest | None
    vocab: Manifest | None
    examples: Manifest | None
    model: Manifest | None
    results: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]


def read_run(paths: RunPaths) -> FinishedRun:
    """Read manifests and results. Raises DataError when there is no stage, or one is damaged."""
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


def splits_of(examples: Manifest) -> list[str]:
    """The splits that have examples, training first."""
    return [split for split in SPLITS if examples.counts.get(split, {}).get("examples")]


def shares_of(examples: Manifest, split: str) -> dict[str, float]:
    """The measured shares of a split; see `bertdata.examples.statistics.describe_examples`."""
    length = examples.config["examples"]["max_seq_length"]
    return describe_examples(examples.counts[split], length)


def nsp_baseline(run: FinishedRun) -> float | None:
    """The NSP accuracy, on validation pairs, of always giving the more frequent answer."""
    examples = run.examples
    if examples is None or "validation" not in splits_of(examples):
        return None
    if not examples.config["examples"]["next_sentence"]:
        return None
    share = shares_of(examples, "validation")["random_next"]
    return max(share, 1 - share)


def is_dynamic(examples: Manifest) -> bool:
    """Whether the reader masks, so that the files hold plain pieces."""
    return bool(examples.config["examples"]["masking"] == "dynamic")


def _manifest(folder: Path) -> Manifest | None:
    return read_manifest(folder) if is_complete(folder) else None


def _read_results(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {first_line(error)}; delete it and train again"
        ) from error


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines with a step; a last line cut off by a kill is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    try:
        return sorted(map(json.loads, lines), key=lambda line: int(line["step"]))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} is damaged: {first_line(error)}; delete it to do without the curves"
        ) from error
