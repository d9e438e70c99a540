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


def test_the_output_is_named_after_the_configuration() -> None:
    assert default_output(Path("configs/my.toml")) == Path("runs/my")
