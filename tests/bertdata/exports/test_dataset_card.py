"""The card of exported examples."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from bertdata.exports.dataset_card import (
    _LANGUAGE_CODES,
    _LOADING,
    _ORIGINAL_COLUMNS,
    _STORED_COLUMNS,
    _size_category,
    find_language,
    make_dataset_card,
)
from bertdata.exports.export import FORMATS
from bertdata.exports.rows import open_examples
from bertdata.sentences.splitter import LANGUAGES, RULE_LANGUAGES
from flows.paths import RunPaths
from tests.runs import edit_manifest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_hub_reads_it(kind: str, run: RunPaths) -> None:
    card = DatasetCard(make_dataset_card(open_examples(run.output), kind))
    assert card.data.license == "unknown"
    assert card.data.language == ["en"]
    assert card.data.task_categories == ["fill-mask"]
    assert card.data.size_categories == ["n<1K"]
    assert kind in card.data.tags
    assert ("configs" in card.data.to_dict()) == (kind == "parquet")


@pytest.mark.parametrize("kind", FORMATS)
def test_it_says_what_is_in_the_files(kind: str, run: RunPaths) -> None:
    examples = open_examples(run.output)
    card = make_dataset_card(examples, kind)
    for column in _ORIGINAL_COLUMNS if kind == "tfrecord" else _STORED_COLUMNS:
        assert f"| `{column}` |" in card
    manifest = examples.manifest
    for fact in (manifest.content_sha256, manifest.inputs["vocabulary"]["sha256"]):
        assert fact in card
    rows = manifest.counts["train"]["examples"]
    assert f"| train examples | {rows:,} |" in card
    assert "| `max_seq_length` | 32 |" in card
    assert "fill in" in card


def test_examples_without_masks(run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.examples, Path)
    shutil.copytree(run.examples, tmp_path / "examples")

    def unmask(table: dict[str, Any]) -> None:
        table["config"]["examples"] |= {"masking": "dynamic", "next_sentence": False}

    edit_manifest(tmp_path / "examples", unmask)
    examples = open_examples(tmp_path)
    card = make_dataset_card(examples, "mds")
    assert "not masked" in card
    assert "single segments" in card
    assert "masked_lm_ids" not in card
    assert "language" not in DatasetCard(card).data.to_dict()  # no sentences are beside them


def test_the_language_is_that_of_the_sentences(run: RunPaths, tmp_path: Path) -> None:
    assert isinstance(run.output, Path)
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    language = {"language": "norwegian"}
    edit_manifest(
        tmp_path / "run/sentences", lambda table: table["config"].update(sentences=language)
    )
    assert find_language(open_examples(paths.output)) == "no"
    language["language"] = "train"
    edit_manifest(
        tmp_path / "run/sentences", lambda table: table["config"].update(sentences=language)
    )
    assert find_language(open_examples(paths.output)) is None

    def change_origin(table: dict[str, Any]) -> None:
        table["inputs"]["sentences"] = {"content_sha256": "other"}

    edit_manifest(tmp_path / "run/examples", change_origin)
    assert find_language(open_examples(paths.output)) is None


def test_every_language_has_a_code() -> None:
    assert set(_LANGUAGE_CODES) == {*LANGUAGES, *RULE_LANGUAGES}


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (144_508, "100K<n<1M"),
        (10**9, "1B<n<10B"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories(rows: int, name: str) -> None:
    assert _size_category(rows) == name


@pytest.mark.parametrize("kind", FORMATS)
def test_the_documentation_has_the_same_programs(kind: str) -> None:
    folder = f"runs/demo/export-{kind}"
    program = _LOADING[kind].format(folder=folder, length=128, predictions=20)
    assert program in (DOCS / "elsewhere.md").read_text()
