"""Where the files of a run are."""

from __future__ import annotations

from pathlib import Path

from flows.paths import RunPaths, default_output


def test_stages_are_folders_of_the_output() -> None:
    paths = RunPaths(Path("runs/my"))
    folders = [paths.punkt, paths.sentences, paths.vocab, paths.examples, paths.model]
    assert [folder.name for folder in folders] == [
        "punkt",
        "sentences",
        "vocab",
        "examples",
        "model",
    ]
    assert {path.parent for path in (*folders, paths.report)} == {Path("runs/my")}


def test_a_stage_is_unfinished_until_it_has_a_manifest(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert paths.unfinished("run") == ["sentences", "vocab", "examples", "train"]
    for stage in ("sentences", "model"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "manifest.json").touch()
    assert paths.unfinished("run") == ["vocab", "examples"]
    assert paths.unfinished("train") == paths.unfinished("sentences") == []
    assert paths.unfinished("vocab") == ["vocab"]


def test_the_output_is_named_after_the_configuration() -> None:
    assert default_output(Path("configs/my.toml")) == Path("runs/my")
