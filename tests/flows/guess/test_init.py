"""`bertdata init`: files of every format, also misnamed ones, to a configuration that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig, find_inputs
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text
from flows.cli import main
from flows.config import RunConfig, load_config
from flows.guess import init
from flows.guess.init import write_configuration
from tests.flows.guess.river_files import CASES, LINES, PROSE


def read_documents(config: RunConfig) -> list[Document]:
    """What a run reads with a configuration."""
    documents: list[Document] = []
    for corpus in config.corpus:
        files = find_inputs(corpus, Path()).files
        for unit in plan_units(corpus, files, 1 << 30):
            documents += (item for item in read_unit(unit) if isinstance(item, Document))
    return documents


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()


@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("case", CASES)
def test_each_format_is_found_by_its_content(case: str, place: str) -> None:
    name, write, wanted, fields = CASES[case]
    file = Path("texts") / name
    write(file)
    write_configuration(file if place == "file" else Path("texts"), Path("my.toml"))
    config = load_config(Path("my.toml"))
    (corpus,) = config.corpus
    assert corpus.format == wanted
    assert {"text_field": corpus.text_field, "id_field": corpus.id_field} == (
        fields or {"text_field": "text", "id_field": ""}
    )
    if case != "text, one bad byte":
        documents = read_documents(config)
        assert documents
        assert all("river" in document.text for document in documents)


def test_a_file_that_is_there_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("texts/a.txt").write_text(PROSE)
    Path("texts.toml").write_text("mine")
    assert main(["init", "texts"]) == 2
    assert capsys.readouterr().err == (
        "bertdata: texts.toml is there already; name another file with --output\n"
    )
    assert Path("texts.toml").read_text() == "mine"


def test_paths_start_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    Path("texts/in").mkdir()
    Path("texts/in/a.txt").write_text(PROSE)
    Path("made").mkdir()
    write_configuration(Path("texts"), Path("made/my.toml"))
    write_configuration(tmp_path / "texts", Path("made/absolute.toml"))
    (relative,) = load_config(Path("made/my.toml")).corpus
    (absolute,) = load_config(Path("made/absolute.toml")).corpus
    assert relative.paths == ("../texts/**/*.txt",)
    assert absolute.paths == (f"{tmp_path}/texts/**/*.txt",)
    assert find_inputs(relative, Path("made")).files


def test_other_storage(s3: Address) -> None:
    write_text(s3 / "texts" / "a.jsonl", LINES)
    write_configuration(s3 / "texts", Path("my.toml"))
    (corpus,) = load_config(Path("my.toml")).corpus
    assert (corpus.format, corpus.paths) == ("jsonl", (str(s3 / "texts" / "*.jsonl"),))
    assert len(read_documents(load_config(Path("my.toml")))) == 3


@pytest.mark.parametrize(("data", "message"), [(None, "No such file"), (b"%PDF-1.7\n", "a PDF")])
def test_of_what_cannot_be_input_nothing_is_written(
    data: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if data is not None:
        Path("texts/a.txt").write_bytes(data)
    assert main(["init", "texts/a.txt", "--output", "my.toml"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("my.toml").exists()


@pytest.mark.parametrize(
    ("size", "pieces"), [(1_000, 1_000), (500_000, 4_000), (9_000_000, 30_522)]
)
def test_little_text_gets_a_small_vocabulary(size: int, pieces: int) -> None:
    Path("texts/a.txt").write_text((PROSE * (size // len(PROSE) + 1))[:size])
    write_configuration(Path("texts"), Path("my.toml"))
    assert load_config(Path("my.toml")).vocab.size == pieces


def test_other_languages_keep_their_accents() -> None:
    Path("texts/a.txt").write_text(
        "Der Fluss und die Stadt sind alt, und das Haus ist nicht neu. " * 9
    )
    write_configuration(Path("texts"), Path("my.toml"))
    config = load_config(Path("my.toml"))
    assert (config.sentences.language, config.vocab.strip_accents) == ("german", False)


def test_defaults_are_left_out() -> None:
    Path("texts/a.txt").write_text(PROSE)
    write_configuration(Path("texts"), Path("my.toml"))
    assert load_config(Path("my.toml")).corpus == (
        CorpusConfig(name="texts", format="text", paths=("texts/*.txt",)),
    )
    assert "text_field" not in Path("my.toml").read_text()


def test_little_text_has_few_shards(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    write_configuration(tmp_path / "a.txt", tmp_path / "a.toml")
    assert load_config(tmp_path / "a.toml").examples.num_shards == 16


def test_much_text_has_as_many_shards_as_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init, "_LITTLE_TEXT", 0)
    (tmp_path / "a.txt").write_text(PROSE)
    write_configuration(tmp_path / "a.txt", tmp_path / "a.toml")
    assert load_config(tmp_path / "a.toml").examples.num_shards == 0
