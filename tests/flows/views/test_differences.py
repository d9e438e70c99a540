"""`bertdata diff`: what differs between two runs, and whether their data are the same."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from bertdata.errors import DataError
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from flows.views.differences import _overlap, _quantile, compare_runs
from tests.copies import copy_folder
from tests.runs import edit_manifest, make_run, some_documents


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return make_run(tmp_path_factory.mktemp("a"), some_documents())


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """One file less, one changed, one more; a smaller vocabulary, shorter examples."""
    documents = {**some_documents(39), "bad.txt": b"\xff"}
    documents["doc-00.txt"] = "Anna walked. It was a windy day."
    return make_run(
        tmp_path_factory.mktemp("b"),
        documents,
        vocab={"size": 140},
        examples={"max_seq_length": 24},
    )


def sections(lines: tuple[str, ...]) -> dict[str, list[str]]:
    """What stands below each title; below "" what has none."""
    found: dict[str, list[str]] = {}
    for part in "\n".join(lines).split("\n\n"):
        title, *rest = part.split("\n")
        found[title if title[1:2] != " " else ""] = [line.strip() for line in rest]
    return found


def test_equal_runs(run: RunPaths, s3: Address) -> None:
    copy_folder(run.output, s3)
    comparison = compare_runs(run, RunPaths(s3))
    assert comparison.are_same
    assert list(comparison.lines) == [
        f"A           {run.output}",
        f"B           {s3}",
        "sentences   the same",
        "vocab       the same",
        "examples    the same",
        "",
        "the data are the same",
    ]


def test_all_that_differs(run: RunPaths, other: RunPaths) -> None:
    comparison = compare_runs(run, other)
    assert not comparison.are_same
    found = sections(comparison.lines)
    assert comparison.lines[-1] == "the data differ: sentences, vocab, examples"
    assert found["configuration, from A to B"] == [
        "vocab.size was 150, now 140",
        "examples.max_seq_length was 32, now 24",
    ]
    assert found["input files, from A to B"] == [
        "texts doc-00.txt: another content",
        "texts doc-39.txt: only in A",
        "texts bad.txt: only in B",
    ]
    counts = [line.split() for line in found["counts"]]
    assert ["sentences", "documents", "written", "40", "39", "-1"] in counts
    assert ["sentences", "rejected", "invalid", "utf8", "-", "1"] in counts
    assert ["vocab", "pieces", "150", "140", "-10"] in counts
    assert not [line for line in counts if "documents read" in " ".join(line)]  # 40 in both
    shares = [line.split() for line in found["train examples"]]
    lengths = [read_manifest(paths.examples).counts["train"] for paths in (run, other)]
    means = [counts["pieces"] / counts["examples"] for counts in lengths]
    assert [*shares[-5]] == [
        "mean",
        "length",
        *(f"{mean:.1f}" for mean in means),
        f"-{means[0] - means[1]:.1f}",
    ]
    assert shares[1][0] == "predicted"
    assert shares[1][-1] == "points"
    assert shares[-1][:3] == ["lengths", "in", "common"]
    assert "validation examples" in found


def test_what_the_vocabularies_have_in_common(run: RunPaths, other: RunPaths) -> None:
    lines = sections(compare_runs(run, other).lines)["vocabulary"]
    pieces = [(paths.vocab / "vocab.txt").read_text().split() for paths in (run, other)]
    both = set(pieces[0]) & set(pieces[1])
    moved = sum(pieces[0].index(piece) != pieces[1].index(piece) for piece in both)
    assert lines[0] == (
        f"{len(both)} pieces in both, {150 - len(both)} only in A, {140 - len(both)} only in B, "
        f"{moved} with another id"
    )
    shown = lines[1].removeprefix("only in A   ").removesuffix("  …").split("  ")
    assert set(shown) <= set(pieces[0]) - both
    piece, before, arrow, after = lines[-1].removeprefix("another id  ").split()[:4]
    assert arrow == "→"
    assert (pieces[0][int(before)], pieces[1][int(after)]) == (piece, piece)


def test_many_differences_are_counted(run: RunPaths, tmp_path: Path) -> None:
    few = make_run(tmp_path, some_documents(20), vocab={"size": 120})
    files = sections(compare_runs(run, few).lines)["input files, from A to B"]
    assert files[0] == "texts doc-20.txt: only in A"
    assert files[-1] == "and 8 more"
    assert len(files) == 13


def test_stages_that_one_lacks(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.sentences, tmp_path / "sentences")
    comparison = compare_runs(RunPaths(tmp_path), run)
    assert list(comparison.lines[2:5]) == [
        "sentences   the same",
        "vocab       only in B",
        "examples    only in B",
    ]
    assert comparison.lines[-1] == "the data differ: vocab, examples"
    both = compare_runs(RunPaths(tmp_path), RunPaths(tmp_path))
    assert both.are_same
    with pytest.raises(DataError, match="holds no finished stage"):
        compare_runs(run, RunPaths(tmp_path / "none"))


def test_other_weights_from_equal_data_are_no_other_data(run: RunPaths, tmp_path: Path) -> None:
    copies = [RunPaths(tmp_path / name) for name in "ab"]
    for number, paths in enumerate(copies):
        shutil.copytree(run.output, paths.output)
        paths.model.mkdir()
        shutil.copy(paths.vocab / "manifest.json", paths.model)

        def change(table: dict[str, object], number: int = number) -> None:
            table["format"] = "bertdata-model"
            table["version"] = 1
            table["counts"] = {"steps": 6, "mlm_loss": 2.5 + number, "is_reliable": True}
            table["shards"] = table["shards"][number:]

        edit_manifest(paths.model, change)
    comparison = compare_runs(*copies)
    assert comparison.are_same
    assert "model       different" in comparison.lines
    counts = sections(comparison.lines)["counts"]
    assert [line.split() for line in counts[1:]] == [
        ["model", "mlm", "loss", "2.500", "3.500", "+1.000"]
    ]


def test_a_damaged_manifest(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    edit_manifest(paths.sentences, lambda table: table.update(inputs={"texts": [1]}))
    with pytest.raises(DataError, match=r"a manifest of .* is damaged \(TypeError"):
        compare_runs(run, paths)
    write_json(paths.vocab / "manifest.json", {})
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        compare_runs(run, paths)


def test_lengths() -> None:
    lengths = [0, 1, 1, 8, 0]
    assert [_quantile(lengths, share) for share in (0.1, 0.2, 0.5, 1.0)] == [1, 2, 3, 3]
    assert _quantile([0, 0], 0.5) == 0
    for a, b in itertools.product([[1, 1], [2, 2], [0, 4], [4, 0], [1, 3]], repeat=2):
        assert _overlap(a, b) == pytest.approx(_overlap(b, a))
        assert 0 <= _overlap(a, b) <= 1
    assert _overlap([1, 1], [2, 2]) == 1
    assert _overlap([0, 4], [4, 0]) == 0
    assert _overlap([1, 3], [1, 1]) == 0.75
