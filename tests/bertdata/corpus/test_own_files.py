"""Files that runs wrote are not input; a user's files of the same names are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.corpus.own_files import OwnFiles


@pytest.fixture
def run(tmp_path: Path) -> Path:
    stage = tmp_path / "runs" / "one" / "sentences"
    stage.mkdir(parents=True)
    (stage / "manifest.json").write_text(json.dumps({"format": "bertdata-sentences"}))
    return stage.parent


def test_stages_logs_and_reports_of_a_run_are_its_own(run: Path, tmp_path: Path) -> None:
    own = OwnFiles()
    for name in ("sentences/a.arrow", "sentences.log", "report.html", "model/config.json"):
        assert own.holds(run / name, tmp_path), name
    assert not own.holds(run / "notes.txt", tmp_path)


def test_the_same_names_elsewhere_are_the_users(tmp_path: Path) -> None:
    assert not OwnFiles().holds(tmp_path / "books" / "report.html", tmp_path)
    (tmp_path / "books" / "sentences").mkdir(parents=True)
    assert not OwnFiles().holds(tmp_path / "books" / "sentences" / "a.txt", tmp_path)


def test_who_names_a_stage_means_its_files(run: Path) -> None:
    assert not OwnFiles().holds(run / "sentences" / "a.arrow", run / "sentences")


def test_everything_below_the_current_output_is_its_own(tmp_path: Path) -> None:
    own = OwnFiles(tmp_path / "out")
    assert own.holds(tmp_path / "out" / "anything.txt", tmp_path)
    assert not own.holds(tmp_path / "out" / "a.txt", tmp_path / "out")


@pytest.mark.parametrize("manifest", ["", "[]", '{"format": "other"}', "{"])
def test_a_foreign_manifest_makes_no_stage(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "manifest.json").write_text(manifest)
    assert not OwnFiles().holds(tmp_path / "x" / "a.txt", tmp_path)


@pytest.mark.parametrize("files", [(".progress/plan.json",), ("model.safetensors", "results.json")])
def test_unfinished_stages_and_models_are_recognised(
    files: tuple[str, ...], tmp_path: Path
) -> None:
    for name in files:
        path = tmp_path / "stage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert OwnFiles().holds(tmp_path / "stage" / "a.arrow", tmp_path)
