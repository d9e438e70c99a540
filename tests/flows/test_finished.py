"""What is read of a finished run, and what is said of damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.storage.manifest import Manifest, make_manifest, write_manifest
from flows.finished import (
    FinishedRun,
    config_of,
    is_dynamic,
    nsp_baseline,
    parse_results,
    read_run,
    splits_of,
)
from flows.paths import RunPaths

COUNTS = {"examples": 4, "pieces": 40, "predicted": 4, "masked": 3, "kept": 1, "replaced": 0}


def examples_of(random_next: int = 1, **config: object) -> Manifest:
    counts = {"train": {"examples": 9}, "validation": {**COUNTS, "random_next": random_next}}
    return make_manifest(
        "examples", config={"examples": config}, inputs={}, counts=counts, shards=[]
    )


def test_a_folder_without_a_stage_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no finished stage; first: bertdata run CONFIG"):
        read_run(RunPaths(tmp_path))


def test_results_keep_what_only_other_versions_know(tmp_path: Path) -> None:
    results = parse_results({"steps": 3, "mlm_loss": 2, "nsp_accuracy": None, "note": ["odd"]})
    assert (results.steps, results.mlm_loss, results.nsp_accuracy) == (3, 2.0, None)
    assert results.table["note"] == ["odd"]
    with pytest.raises(ConfigError, match="steps must be an integer, got 'many'"):
        parse_results({"steps": "many"})


def test_metrics_are_in_order_and_without_a_line_that_was_cut_off(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    write_manifest_of_examples(paths)
    paths.model.mkdir()
    lines = [{"step": 2, "mlm_loss": 5.0}, {"step": 1, "mlm_loss": 6.0}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (paths.model / "metrics.jsonl").write_text(text + '{"step": 3, "ml')
    run = read_run(paths)
    assert [line["step"] for line in run.metrics] == [1, 2]
    assert (run.results, run.sentences) == (None, None)


def write_manifest_of_examples(paths: RunPaths) -> None:
    paths.examples.mkdir(parents=True)
    write_manifest(paths.examples, examples_of())


def test_damaged_results_name_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for text in ("{", '{"steps": "many"}', "3"):
        (tmp_path / "model" / "results.json").write_text(text)
        with pytest.raises(DataError, match=r"results\.json is damaged: .*; delete it and train"):
            read_run(RunPaths(tmp_path))


def test_the_configuration_of_examples() -> None:
    examples = examples_of(max_seq_length=64, masking="dynamic")
    assert config_of(examples).max_seq_length == 64
    assert is_dynamic(examples)
    assert splits_of(examples) == ["train", "validation"]
    with pytest.raises(DataError, match=r"manifest\.json of examples/ is damaged: .*'odd'"):
        config_of(examples_of(odd=1))


@pytest.mark.parametrize(("random_next", "share"), [(1, 0.75), (3, 0.75), (2, 0.5)])
def test_the_more_frequent_answer_is_the_baseline(random_next: int, share: float) -> None:
    run = run_of(examples_of(random_next))
    assert nsp_baseline(run) == share
    assert nsp_baseline(run_of(examples_of(random_next, next_sentence=False))) is None


def run_of(examples: Manifest) -> FinishedRun:
    """A run of which only the examples are there."""
    return FinishedRun(
        paths=RunPaths(Path("run")),
        sentences=None,
        vocab=None,
        examples=examples,
        model=None,
        results=None,
        metrics=(),
    )
