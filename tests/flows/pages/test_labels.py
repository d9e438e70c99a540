"""Names and tags of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bertdata.corpus.config import CorpusConfig
from flows.config import Run, RunConfig
from flows.pages import labels
from flows.paths import RunPaths


def run_of(*names: str) -> Run:
    corpora = tuple(CorpusConfig(name=name, format="text", paths=("*",)) for name in names)
    paths = RunPaths(Path("/runs/demo"))
    return Run(config=RunConfig(corpus=corpora), base=Path(), paths=paths)


@pytest.mark.parametrize(
    ("names", "text_bytes", "name"),
    [
        (["books"], 0, "books in /runs/demo"),
        (["books", "news"], 16_600_000, "books, news (16.6 MB) in /runs/demo"),
        (["a", "b", "c", "d", "e"], 10, "a, b, c and 2 more (10 bytes) in /runs/demo"),
    ],
)
def test_a_name_says_what_and_how_much(names: list[str], text_bytes: int, name: str) -> None:
    assert labels._make_name(run_of(*names), text_bytes) == name


@pytest.mark.parametrize(
    ("text_bytes", "more"),
    [
        (0, []),
        (1, ["text: up to 1 MB"]),
        (10**6, ["text: up to 1 MB"]),
        (10**6 + 1, ["text: up to 10 MB"]),
        (5 * 10**9, ["text: up to 10,000 MB"]),
        (10**13, ["text: over 1 TB"]),
    ],
)
def test_tags_group_runs_by_corpus_and_amount(text_bytes: int, more: list[str]) -> None:
    tags: list[Any] = labels._make_tags(run_of("a", "b"), text_bytes)
    assert tags == ["bertdata", "corpus: a", "corpus: b", *more]


def test_outside_a_flow_nothing_is_named() -> None:
    labels.label_run(run_of("a"))
