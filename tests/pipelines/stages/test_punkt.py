"""The steps of the Punkt stage, as plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nltk.tokenize.punkt import PunktParameters

from bertdata.errors import InputError
from bertdata.plans.punkt import PunktWork
from bertdata.progress.plan import StagePlan
from bertdata.sentences.punkt_training import read_parameters
from pipelines.stages import punkt
from pipelines.stages.punkt import sample_unit, train_punkt
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagePlan:
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 2000)
    write_books(tmp_path / "books", 12)
    return Stages(tmp_path / "books", tmp_path).punkt()


def work_of(plan: StagePlan) -> PunktWork:
    assert isinstance(plan.work, PunktWork)
    return plan.work


def sample(plan: StagePlan, rate: float) -> list[str]:
    tables = [table for pair in enumerate(work_of(plan).units) for table in sample_unit(pair, rate)]
    assert all(set(t["unit"].to_pylist()) <= {number} for number, t in enumerate(tables))
    names = [table.schema.metadata[b"bertdata.name"].decode() for table in tables]
    assert names == [f"{number:05d}" for number in range(len(tables))]
    return [text for table in tables for text in table["paragraph"].to_pylist()]


def test_a_sample_is_the_same_however_the_input_is_cut(
    plan: StagePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 100)
    other = Stages(tmp_path / "books", tmp_path).punkt()
    assert 1 < len(work_of(plan).units) < len(work_of(other).units)
    assert sample(plan, 0.5) == sample(other, 0.5)
    assert 0 < len(sample(plan, 0.5)) < len(sample(plan, 1.0)) == 24


def test_the_model_does_not_depend_on_the_order_of_the_tables(plan: StagePlan) -> None:
    tables = [t for pair in enumerate(work_of(plan).units) for t in sample_unit(pair, 1.0)]
    tables.append(tables[0].slice(0, 0))
    (first,) = train_punkt(iter(tables), plan.workplace)
    (second,) = train_punkt(iter(tables[::-1]), plan.workplace)
    assert first == second == plan.workplace.read_records()[0]
    assert first.counts["paragraphs"] == 24
    assert read_parameters(plan.workplace.stage_folder / "punkt.json").ortho_context["river"]


def test_paragraphs_are_read_in_the_order_of_the_input(
    plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever unit was sampled first: what NLTK learns may depend on it."""
    read: list[list[str]] = []

    def train(paragraphs: Iterator[str]) -> PunktParameters:
        read.append(list(paragraphs))
        return PunktParameters()

    monkeypatch.setattr(punkt, "train_parameters", train)
    tables = [t for pair in enumerate(work_of(plan).units) for t in sample_unit(pair, 1.0)]
    for some in (tables, tables[::-1]):
        list(train_punkt(iter(some), plan.workplace))
    assert read == [sample(plan, 1.0)] * 2


def test_no_text_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text(" ")
    with pytest.raises(InputError, match="no text to train a Punkt model on"):
        make_stage(Stages(tmp_path / "books", tmp_path / "out").punkt())
