"""`bertdata inspect --document`: one document's whole way."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from bertdata.storage.shards import open_arrow
from flows.config import Run, load_config
from flows.paths import RunPaths
from flows.stages import make_sentences
from flows.views.document import _MAX_LINES, _find_corpus, show_document
from tests.copies import copy_folder
from tests.runs import make_run, some_documents

NAME = "doc-07.txt"
DOCUMENTS: dict[str, str | bytes] = {
    **some_documents(),
    "bad.txt": b"\xff",
    "long.txt": "".join(f"Line {number} is here.\n\n" for number in range(60)),
}


def write_config(folder: Path, more: str = "") -> Path:
    path = folder / "my.toml"
    path.write_text(f"[[corpus]]\nname = 'texts'\nformat = 'text'\npaths = ['texts/*']\n{more}\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    folder = tmp_path_factory.mktemp("document")
    write_config(folder)
    return make_run(folder, DOCUMENTS)


@pytest.fixture
def config(run: RunPaths) -> Path:
    return cast(Path, run.output).parent / "my.toml"


def steps(lines: list[str]) -> dict[str, list[str]]:
    """What stands beside each title before the examples; the name beside ""."""
    found: dict[str, list[str]] = {"": [lines[0]]}
    title = ""
    for line in itertools.takewhile(lambda line: not line.startswith("examples"), lines[1:]):
        title = line[:13].strip() or title
        found.setdefault(title, []).append(line[13:])
    return found


def stored(run: RunPaths) -> dict[str, Any]:
    """The row of the document."""
    (path,) = cast(Path, run.sentences).glob("sentences-*")
    with open_arrow(path) as reader:
        rows = reader.read_all().to_pylist()
    (row,) = [row for row in rows if row["document"] == NAME]
    return dict(row)


def test_the_whole_way(run: RunPaths, config: Path) -> None:
    found = steps(list(show_document(run, NAME, 2, config)))
    row = stored(run)
    assert found[""] == [f"texts: {NAME}"]
    assert " ".join(found["raw"]) == DOCUMENTS[NAME]
    assert found["cleaned"] == ["as it is"]
    assert found["document_id"] == [f"{row['document_id']} (0x{row['document_id']:016x})"]
    assert found["sentences"] == [
        f"{number} {sentence}" for number, sentence in enumerate(row["sentences"], start=1)
    ]
    pieces = [line.split()[1:] for line in found["pieces"]]
    words = [
        "".join(p.removeprefix("##") if p.startswith("##") else f" {p}" for p in sentence)
        for sentence in pieces
    ]
    lower = [sentence.lower() for sentence in row["sentences"]]
    assert [w.replace(" ", "") for w in words] == [text.replace(" ", "") for text in lower]


def test_its_examples(run: RunPaths) -> None:
    lines = list(show_document(run, NAME, 2))
    expected = {}
    for split in ("train", "validation"):
        shards = [s.path for s in read_manifest(run.examples).shards if s.path.startswith(split)]
        ids: list[int] = []
        for path in shards:
            with open_arrow(run.examples / path) as reader:
                ids += reader.read_all()["document_id"].to_pylist()
        expected[split] = ids.count(stored(run)["document_id"])
    (split,) = [split for split, count in expected.items() if count]
    assert f"examples     {expected[split]} in {split} begin with it; the first 2:" in lines
    assert len([line for line in lines if line.startswith(f"{split}-")]) == 2
    every = list(show_document(run, NAME, 1000))
    assert f"examples     {expected[split]} in {split} begin with it:" in every
    assert len([line for line in every if line.startswith(f"{split}-")]) == expected[split]


def test_every_name_of_a_document(run: RunPaths, config: Path) -> None:
    lines = list(show_document(run, NAME, 1, config))
    number = stored(run)["document_id"]
    for wanted in (f"texts: {NAME}", str(number), f"{number:x}", f"{number:#x}", f"{number:016X}"):
        assert list(show_document(run, wanted, 1, config)) == lines
    for wanted in ("none", "other: doc-07.txt", "5", "f" * 17, str(1 << 70)):
        with pytest.raises(DataError, match=f"has no document '{wanted}', kept or rejected; "):
            list(show_document(run, wanted, 1, config))
    with pytest.raises(ConfigError, match="--rows must be from 1"):
        list(show_document(run, NAME, 0))


def test_a_rejected_document(run: RunPaths, config: Path) -> None:
    reason = "invalid_utf8: byte 0 is not UTF-8 (invalid start byte)"
    assert list(show_document(run, "bad.txt", 1, config)) == [
        "texts: bad.txt",
        f"raw          cannot be used: {reason}",
        f"rejected     {reason}",
    ]


def test_long_texts_are_cut(run: RunPaths, config: Path) -> None:
    found = steps(list(show_document(run, "long.txt", 1, config)))
    for title in ("raw", "sentences", "pieces"):
        assert len(found[title]) == _MAX_LINES + 1
        assert found[title][-1] == "… 40 more lines"


def test_where_the_input_is(
    run: RunPaths, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "raw          not shown: "
    lines = list(show_document(run, NAME, 1))
    assert lines[1] == f"{said}where the input is, the run's configuration says: add --config " + (
        "CONFIG.toml"
    )
    # runs/my is where my.toml of the current folder writes to.
    shutil.copytree(config.parent, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")
    Path("runs").mkdir()
    Path("run").rename("runs/my")
    guessed = RunPaths(Path("runs/my"))
    assert list(show_document(guessed, NAME, 1)) == list(show_document(run, NAME, 1, config))
    Path("my.toml").rename("other.toml")
    assert list(show_document(guessed, NAME, 1))[1].startswith(said)


def test_input_that_changed(run: RunPaths, config: Path, tmp_path: Path) -> None:
    shutil.copytree(config.parent, tmp_path / "all")
    other = tmp_path / "all" / "my.toml"
    said = f"raw          not shown: {NAME} is no longer there, or changed since; restore"
    (tmp_path / "all" / "texts" / NAME).write_text("Something else.")
    assert list(show_document(run, NAME, 1, other))[1].startswith(said)
    (tmp_path / "all" / "texts" / NAME).unlink()
    assert list(show_document(run, NAME, 1, other))[1].startswith(said)
    assert list(show_document(run, "doc-06.txt", 1, other))[1].startswith("raw          Boris")
    write_config(other.parent, "[cleaning]\nmin_characters = 9")
    raw = " ".join(steps(list(show_document(run, NAME, 1, other)))["raw"])
    assert raw == f"not shown: {other} does not clean as this run did; give the run's own --config"
    other.write_text(other.read_text().replace("'texts'", "'b'"))
    raw = " ".join(steps(list(show_document(run, NAME, 1, other)))["raw"])
    assert raw == f"not shown: {other} has no corpus 'texts'; give the run's own --config"


@pytest.mark.usefixtures("jobs_in_process")
def test_what_cleaning_does(tmp_path: Path) -> None:
    """The lines of a page that it drops, and documents that it rejects."""
    (tmp_path / "texts").mkdir()
    kept = "This is a whole sentence of more words.\n" * 3
    (tmp_path / "texts" / "a.txt").write_text(f"{kept}menu\n{kept}")
    (tmp_path / "texts" / "b.txt").write_text("Short.")
    config = write_config(tmp_path, "[cleaning]\nline_rules = ['c4']\nmin_characters = 20")
    config.write_text(config.read_text() + "[runner]\nworkers = 1\n")
    paths = RunPaths(tmp_path / "run")
    make_sentences(Run(config=load_config(config), base=tmp_path, paths=paths), print)
    found = steps(list(show_document(paths, "a.txt", 1, config)))
    assert "menu" in found["raw"]
    assert found["cleaned"][0] == "(1 of its lines dropped)"
    assert "menu" not in found["cleaned"]
    found = steps(list(show_document(paths, "b.txt", 1, config)))
    assert found["cleaned"][0].startswith("rejected: ")
    assert found["rejected"] == [found["cleaned"][0].removeprefix("rejected: ")]


def test_names_that_repeat(tmp_path: Path) -> None:
    """Each of them with its own text."""
    texts = ["The first text is here.", "The second text is here."]
    rows = "\n".join(json.dumps({"id": "same", "text": text}) for text in texts)
    options = {"format": "jsonl", "id_field": "id"}
    paths = make_run(
        tmp_path,
        {"a.jsonl": rows},
        corpus=options,
        vocab={"size": 30},
        examples={"validation_fraction": 0.0},
    )
    config = tmp_path / "my.toml"
    config.write_text(
        "[[corpus]]\nname = 'texts'\nformat = 'jsonl'\npaths = ['texts/*']\nid_field = 'id'\n"
    )
    lines = list(show_document(paths, "same", 1, config))
    raw = [line[13:] for line in lines if line.startswith("raw")]
    sentences = [line[15:] for line in lines if line.startswith("sentences")]
    assert sorted(raw) == texts
    assert raw == sentences


def test_the_demo_needs_no_configuration(tmp_path: Path) -> None:
    manifest = SimpleNamespace(config={"corpus": [{"name": "demo", "format": "demo"}]})
    corpus, _, _ = _find_corpus(RunPaths(tmp_path), cast(Any, manifest), "demo", None)
    assert corpus.format == "demo"


def test_as_far_as_the_run_has_come(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.sentences, tmp_path / "sentences")
    found = steps(list(show_document(RunPaths(tmp_path), NAME, 1)))
    assert [*found] == ["", "raw", "document_id", "sentences"]


def test_a_run_at_an_address(run: RunPaths, config: Path, s3: Address) -> None:
    copy_folder(run.output, s3)
    for name in (NAME, "bad.txt", str(stored(run)["document_id"])):
        here = list(show_document(run, name, 3, config))
        assert list(show_document(RunPaths(s3), name, 3, config)) == here
