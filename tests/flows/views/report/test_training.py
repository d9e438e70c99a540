"""The training of a run: what of its metrics and results is shown, and fine-tunings beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import DataError
from bertdata.storage.locations import Address
from bertdata.storage.manifest import Manifest, make_manifest
from bertdata.storage.writing import write_json
from flows.finished import FinishedRun, parse_results
from flows.paths import RunPaths
from flows.views.report.training import (
    FineTuning,
    TrainingFacts,
    describe_training,
    find_finetunings,
)
from tests.copies import copy_folder
from tests.flows.views.report.runs import add_finetuning

Lines = Sequence[Mapping[str, float | None]]


def describe(
    results: dict[str, object] | None = None, metrics: Lines = (), examples: Manifest | None = None
) -> TrainingFacts:
    run = FinishedRun(
        paths=RunPaths(Path("run")),
        sentences=None,
        vocab=None,
        examples=examples,
        model=None,
        results=None if results is None else parse_results(results),
        metrics=tuple(metrics),
    )
    return describe_training(run)


# curves


def test_without_anything_nothing_is_shown() -> None:
    assert describe() == TrainingFacts(
        losses=(),
        validation_losses=(),
        unigram_loss=None,
        speeds=(),
        accuracies=(),
        nsp_accuracies=(),
        results=(),
        warning="",
    )


def test_a_curve_has_the_steps_at_which_it_was_measured() -> None:
    metrics: Lines = [
        {"step": 1, "mlm_loss": 9.0, "nsp_accuracy": None},
        {"step": 2, "validation_mlm_loss": 8.5},
        {"step": 3, "mlm_loss": 7.0, "tokens_per_second": 1e5, "mlm_accuracy": 0.25},
    ]
    facts = describe(metrics=metrics)
    assert facts.losses == ((1, 9.0), (3, 7.0))
    assert facts.validation_losses == ((2, 8.5),)
    assert facts.speeds == ((3, 1e5),)
    assert (facts.accuracies, facts.nsp_accuracies) == (((3, 0.25),), ())


@pytest.mark.parametrize(("count", "points"), [(300, 300), (301, 151), (600, 300), (601, 201)])
def test_a_long_curve_is_of_the_means_of_neighbours(count: int, points: int) -> None:
    metrics = [{"step": step, "mlm_loss": float(step)} for step in range(1, count + 1)]
    losses = describe(metrics=metrics).losses
    assert len(losses) == points
    assert losses[-1][0] == count
    width = -(-count // 300)
    assert losses[0] == (width, (width + 1) / 2)


@pytest.mark.parametrize(
    ("results", "last"),
    [
        ({"steps": 9}, []),
        ({"steps": 9, "mlm_loss": 4.5}, [(9, 4.5)]),
        ({"steps": 9, "exported_step": 7, "mlm_loss": 4.5}, [(7, 4.5)]),
        ({"steps": 9, "exported_step": 6, "mlm_loss": 4.5}, []),  # it was measured there
        ({"mlm_loss": 4.5}, [(0, 4.5)]),
    ],
)
def test_the_validation_of_the_model_ends_its_curve(
    results: dict[str, object], last: list[tuple[float, float]]
) -> None:
    metrics: Lines = [{"step": 6, "validation_mlm_loss": 5.0}]
    assert describe(results, metrics).validation_losses == ((6, 5.0), *last)


# results


def test_results_are_named_in_words() -> None:
    facts = describe(
        {
            "mlm_loss": 5.25,
            "unigram_loss": 6.5,
            "mlm_accuracy": 0.1234,
            "is_reliable": True,
            "steps": 1000,
            "tokens": 12_345_678,
            "parameters": None,
            "note": ["odd", 1],
        }
    )
    assert facts.unigram_loss == 6.5
    assert facts.results == (
        ("MLM loss, nats", "5.2500"),
        ("MLM loss of the training pieces' frequencies alone, nats", "6.5000"),
        ("MLM accuracy", "12.3%"),
        ("enough validation pieces", "yes"),
        ("steps", "1,000"),
        ("pieces trained on", "12,345,678"),
        ("note", '["odd", 1]'),
    )


def test_nsp_accuracy_is_beside_that_of_one_answer() -> None:
    counts = {"examples": 4, "pieces": 40, "predicted": 4, "masked": 3, "kept": 1, "replaced": 0}
    examples = make_manifest(
        "examples",
        config={"examples": {}},
        inputs={},
        counts={"validation": {**counts, "random_next": 1}},
        shards=[],
    )
    results: dict[str, object] = {"nsp_accuracy": 0.875}
    (alone,) = describe(results).results
    (beside,) = describe(results, examples=examples).results
    assert alone == ("NSP accuracy", "87.5%")
    assert beside == ("NSP accuracy", "87.5% (always the same answer: 75.0%)")


@pytest.mark.parametrize(
    ("results", "is_warned"),
    [
        ({"is_reliable": False, "mlm_loss": 5.0}, True),
        ({"is_reliable": True, "mlm_loss": 5.0}, False),
        ({"is_reliable": False, "mlm_loss": None}, False),  # nothing was measured
        (None, False),
    ],
)
def test_too_few_validation_pieces_are_a_warning(
    results: dict[str, object] | None, is_warned: bool
) -> None:
    counts: dict[str, object] = {"validation_pieces": 213, "validation_documents": 1}
    warning = describe(results and {**results, **counts}).warning
    assert warning == (
        "There are too few validation pieces for this difference to mean much "
        "(213 of 1 document): raise [examples] validation_fraction."
        if is_warned
        else ""
    )


# fine-tunings


def test_fine_tunings_are_in_folders_and_in_folders_of_these(tmp_path: Path, s3: Address) -> None:
    for name in ("b", "a/inner", "a", ".hidden", "model", "model/inner", "a/too/deep"):
        add_finetuning(tmp_path / name, finished=name == "b")
    found = list(find_finetunings(tmp_path))
    assert [(one.name, one.finished) for one in found] == [
        ("a", False),
        ("a/inner", False),
        ("b", True),
    ]
    assert found[-1] == FineTuning(
        name="b",
        task="classification",
        rows="90 train, 10 validation",
        seeds=2,
        finished=True,
        validation={"accuracy": (0.875, 0.125)},
        test={},
    )
    copy_folder(tmp_path, s3)
    assert list(find_finetunings(s3)) == found


def test_a_folder_without_fine_tunings(tmp_path: Path) -> None:
    assert list(find_finetunings(tmp_path)) == []
    assert list(find_finetunings(tmp_path / "none")) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '{"format": "other"}', "{}"])
def test_results_of_other_programs_are_passed_over(content: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results.json").write_text(content)
    assert list(find_finetunings(tmp_path)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rows", None),
        ("rows", {"train": "many"}),
        ("config", []),
        ("seeds", 3),
        ("validation", {"accuracy": 0.5}),
        ("validation", {"accuracy": {"mean": 0.5}}),
        ("validation", {"accuracy": {"mean": "x", "std": 0}}),
        ("test", [1]),
    ],
)
def test_damaged_results_name_the_way_out(key: str, value: Any, tmp_path: Path) -> None:
    table: dict[str, Any] = {
        "format": "bertdata-finetuned",
        "config": {},
        "rows": {},
        "seeds": [],
        "validation": {},
    }
    write_json(tmp_path / "tuned" / "results.json", table)
    assert [one.finished for one in find_finetunings(tmp_path)] == [True]
    write_json(tmp_path / "tuned" / "results.json", {**table, key: value})
    with pytest.raises(DataError, match=r"tuned/results\.json is damaged: .*; fine-tune again"):
        list(find_finetunings(tmp_path))
