"""Errors of bertdata's own are found again in what runners make of them."""

from __future__ import annotations

import pytest

from bertdata.errors import BertdataError, DataError, StorageError
from bertdata.progress.failures import error_named, find_error


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("StorageError", StorageError),
        ("BertdataError", BertdataError),
        ("ValueError", BertdataError),
        ("printable", BertdataError),  # a name of that module, not an error's
        ("unheard-of", BertdataError),
    ],
)
def test_an_error_by_its_name(name: str, kind: type[BertdataError]) -> None:
    error = error_named(name, "the message")
    assert type(error) is kind
    assert str(error) == "the message"


@pytest.mark.parametrize(
    "text",
    [
        "bertdata.errors.DataError: it is damaged",
        "bertdata.errors.DataError: it is damaged [while running 'Sentences/Run']",
        "RuntimeError: bertdata.errors.DataError: it is damaged",
        "Traceback:\n  File\nbertdata.errors.BertdataError: an earlier one\n"
        "RuntimeError: bertdata.errors.DataError: it is damaged [while running 'x']\n",
    ],
)
def test_the_last_error_of_a_text(text: str) -> None:
    found = find_error(RuntimeError(text))
    assert type(found) is DataError
    assert str(found) == "it is damaged"


def test_an_error_itself_without_its_step() -> None:
    found = find_error(DataError("it is damaged [while running 'Sentences/Run']"))
    assert type(found) is DataError
    assert str(found) == "it is damaged"


@pytest.mark.parametrize("text", ["", "another", "other.errors.DataError: it is damaged"])
def test_other_errors_are_not_ours(text: str) -> None:
    assert find_error(RuntimeError(text)) is None
