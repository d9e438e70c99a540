"""A Punkt model of a corpus: NLTK's trainer, and never a boundary less than plain NLTK finds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from nltk.tokenize.punkt import PunktTrainer

from bertdata.errors import ConfigError, DataError
from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.punkt import UntimedLanguageVars, UntimedToken
from bertdata.sentences.punkt_training import (
    read_parameters,
    sample_paragraphs,
    train_parameters,
    write_parameters,
)
from bertdata.sentences.splitter import TRAIN, load_splitter
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from tests.benchmarks.boundaries import CHOICES, compare


@pytest.fixture(scope="module")
def speeches(shared_data: Path) -> list[str]:
    with zipfile.ZipFile(shared_data / "us-presidents" / "inaugural.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".txt")][:20]
        texts = [archive.read(name).decode("latin-1") for name in names]
    return [paragraph for text in texts for paragraph in split_paragraphs(text)]


def test_it_is_what_nltk_learns_but_for_words_that_end_paragraphs(speeches: list[str]) -> None:
    trainer = PunktTrainer(lang_vars=UntimedLanguageVars(), token_cls=UntimedToken)
    trainer.train("\n\n".join(speeches), finalize=True)
    learned, ours = trainer.get_params(), train_parameters(speeches)
    assert ours.collocations == learned.collocations
    assert ours.sent_starters == learned.sent_starters
    assert dict(ours.ortho_context) == dict(learned.ortho_context)
    assert ours.abbrev_types <= learned.abbrev_types
    ends = {paragraph.lower().split()[-1].rstrip(".") for paragraph in speeches}
    assert learned.abbrev_types - ours.abbrev_types <= ends


def test_a_model_is_written_and_read(speeches: list[str], tmp_path: Path) -> None:
    parameters = train_parameters(speeches)
    for name in ("a.json", "b.json"):
        write_parameters(tmp_path / name, parameters)
    found = read_parameters(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert vars(found).keys() == vars(parameters).keys()
    for name in ("abbrev_types", "collocations", "sent_starters", "ortho_context"):
        assert getattr(found, name) == getattr(parameters, name)
    assert load_splitter(TRAIN, tmp_path / "a.json").split("One. Two.") == ["One.", "Two."]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"abbrev_types": 3}', '{"abbrev_types": []}'])
def test_what_is_not_a_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(DataError, match="is not a Punkt model"):
        load_splitter(TRAIN, tmp_path / "m.json")
    with pytest.raises(ConfigError, match="needs its model"):
        load_splitter(TRAIN)


def test_samples_are_the_same_on_every_run() -> None:
    text = "\n\n".join(f"Paragraph {i}." for i in range(2000))
    sample = list(sample_paragraphs(text, "c", "d", 0.25))
    assert sample == list(sample_paragraphs(text, "c", "d", 0.25))
    assert sample != list(sample_paragraphs(text, "c", "e", 0.25))
    assert sample != list(sample_paragraphs(text, "x", "d", 0.25))
    # Ids may repeat: another text is sampled at other places.
    other = list(sample_paragraphs(text + "\n\nMore.", "c", "d", 0.25))
    assert sample != [paragraph for paragraph in other if paragraph != "More."]
    assert 400 < len(sample) < 600
    assert list(sample_paragraphs(text, "c", "d", 1.0)) == text.split("\n\n")


def test_boundaries_are_never_worse_than_nltks(shared_data: Path, tmp_path: Path) -> None:
    table = compare(shared_data / "parallel-pud", tmp_path)
    rows = {row["corpus"]: row for row in table.rows}
    assert rows.keys() == CHOICES.keys()
    for row in rows.values():
        assert row["bertdata"] >= row["NLTK"]
        assert row["bertdata, trained"] >= row["NLTK, trained"]
    assert rows["zh"]["bertdata"] > 0.99
    assert rows["ko"]["bertdata"] > 0.99


def test_a_model_may_be_at_an_address(tmp_path: Path, s3: Address) -> None:
    parameters = train_parameters(["Dr. A. met Mr. B. and then left. He ate."] * 20)
    for folder in (tmp_path, s3):
        write_parameters(folder / "punkt.json", parameters)
        assert load_splitter(TRAIN, folder / "punkt.json").split("One. Two.") == ["One.", "Two."]
    assert read_bytes(s3 / "punkt.json") == read_bytes(tmp_path / "punkt.json")
    with pytest.raises(DataError, match=rf"{s3}/none\.json is missing; run again"):
        read_parameters(s3 / "none.json")
