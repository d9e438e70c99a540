"""`bertdata export`: what is printed, where files go, and errors on one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertdata.exports.export import FORMATS
from bertdata.exports.rows import open_examples
from bertdata.storage.locations import Address
from flows.cli import main
from flows.paths import RunPaths
from flows.views import export
from flows.views.verify import verify
from tests.copies import copy_folder
from tests.runs import make_run, some_documents


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return make_run(tmp_path_factory.mktemp("finished"), some_documents())


@pytest.fixture
def run(finished: RunPaths, tmp_path: Path) -> RunPaths:
    assert isinstance(finished.output, Path)
    copy_folder(finished.output, tmp_path / "run")
    return RunPaths(tmp_path / "run")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_run_and_again(kind: str, run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run.output), "--format", kind]) == 0
    first, second = capsys.readouterr().out.splitlines()
    counts = open_examples(run.output).manifest.counts
    rows = f"{counts['train']['examples']} train, {counts['validation']['examples']} validation"
    files = 6 if kind == "mds" else 4
    pattern = rf"{kind}: done in [\d.]+ s, {rows} examples in {files} files, [\d.]+ kB"
    assert re.fullmatch(pattern, first)
    folder = run.output / f"export-{kind}"
    assert second == f"files       {folder}; fill in source and licence in its README.md"
    assert main(["export", str(run.examples), "--format", kind]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{kind}: already complete, {rows} examples")
    assert second == f"files       {folder}"
    assert verify(run.output) == []


def test_to_an_address(run: RunPaths, s3: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run.output), "--format", "mds", "--output", str(s3 / "mds")]) == 0
    assert f"files       {s3 / 'mds'}; fill in" in capsys.readouterr().out
    assert main(["verify", str(s3 / "mds")]) == 0


def test_long_exports_say_how_far_they_are(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(export, "_SECONDS_BETWEEN_LINES", 0)
    lines: list[str] = []
    export.export_run(run.output, "parquet", tmp_path / "out", lines.append)
    assert lines[0] == "train-00000-of-00003.parquet: 1 of 4 files"
    assert len(lines) == 4 + 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{run}/nowhere", "--format", "mds"], 1, "{run}/nowhere has no finished examples; first:"),
        (["{run}/vocab", "--format", "mds"], 1, "{run}/vocab holds bertdata-vocab, not"),
        (["{run}", "--format", "mds", "--output", "{run}"], 2, "{run} holds something else, such"),
        (["{run}", "--format", "mds", "--output", "{run}/vocab"], 2, "{run}/vocab holds another"),
        (["{run}", "--format", "mds", "--output", "{run}/vocab/vocab.txt"], 1, "cannot use {run}"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    status: int,
    message: str,
    run: RunPaths,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [argument.format(run=run.output) for argument in arguments]
    assert main(["export", *given]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bertdata: {message.format(run=run.output)}")


def test_usage(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--format", "zip"], []):
        with pytest.raises(SystemExit, match="2"):
            main(["export", str(run.output), *arguments])
    assert "choose from" in capsys.readouterr().err
