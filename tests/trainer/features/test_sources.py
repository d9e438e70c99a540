"""Texts and their origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.errors import InputError
from bertdata.randomness import stable_hash
from bertdata.storage.locations import Address
from tests.copies import copy_folder
from tests.runs import make_run, some_documents
from tests.trainer.task_files import write_jsonl
from trainer.features.config import FeaturesConfig
from trainer.features.sources import read_texts


def test_lines_and_rows_are_documents(tmp_path: Path) -> None:
    lines = tmp_path / "a.txt"
    lines.write_text("one\n\n two \n")
    found = list(read_texts(lines, FeaturesConfig()))
    assert [(text.document, text.text) for text in found] == [("1", "one"), ("3", "two")]
    assert found[0].document_id == stable_hash("a.txt", "1", "one")
    rows = write_jsonl(tmp_path / "b.jsonl", [{"t": "x", "id": 7}, {"t": "y"}])
    texts = read_texts(rows, FeaturesConfig(text="t"))
    assert [(text.source, text.document) for text in texts] == [("b.jsonl", "7"), ("b.jsonl", "2")]


def test_a_text_must_be_text(tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "b.jsonl", [{"text": 3}])
    with pytest.raises(InputError, match=r"b.jsonl line 1: 'text' is 3, not text"):
        list(read_texts(rows, FeaturesConfig()))


@pytest.mark.parametrize("unit", ["document", "sentence"])
def test_sentences_and_lines_at_an_address(tmp_path: Path, s3: Address, unit: str) -> None:
    sentences = make_run(tmp_path, some_documents(9)).sentences
    (tmp_path / "lines.txt").write_text("one\n\n two \n")
    copy_folder(tmp_path, s3)
    config = FeaturesConfig(unit=unit)
    for name in (sentences.relative_to(tmp_path).as_posix(), "lines.txt"):
        assert list(read_texts(s3 / name, config)) == list(read_texts(tmp_path / name, config))
