"""Errors of bertdata's own are found again in what runners make of them."""

from __future__ import annotations

import pytest

from bertdata.errors import BertdataError, DataError, StorageError
from bertdata.progress.failures import describe_failure, error_named, find_error

JAVA = "it needs a Java runtime and Beam's job server: name its archive"


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


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("PortableRunner", "no\n  connection\n", "no connection"),
        (
            "PortableRunner",
            "Traceback (most recent):\n  File\nIOError: no",
            "IOError: no",
        ),
        ("PortableRunner", "", "RuntimeError"),
        ("PortableRunner", "x" * 400, "x" * 300),
        (
            "FlinkRunner",
            "no",
            "no; it needs a Java runtime and Beam's job server: name its archive",
        ),
        ("spark", "no", f"no; {JAVA}"),
        ("DataflowRunner", "no", "no; it needs pip install 'apache-beam[gcp]'"),
        ("PrismRunner", "no", "no; it needs its program: --prism_location=PATH"),
    ],
)
def test_what_a_runner_says_is_one_line_with_what_it_may_lack(
    name: str, text: str, said: str
) -> None:
    described = describe_failure(name, RuntimeError(text))
    assert described.partition(",")[0] == said
    assert len(described.splitlines()) == 1
