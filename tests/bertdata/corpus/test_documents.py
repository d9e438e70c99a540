"""Documents, their ids, and what is too empty to be one."""

from __future__ import annotations

import dataclasses

import pytest

from bertdata.corpus.documents import (
    REASONS,
    Document,
    Rejection,
    find_surrogate,
    printable_name,
    replace_surrogates,
    unless_empty,
)


def make(text: str, source: str = "wiki", document: str = "a") -> Document:
    return Document(source=source, document=document, text=text)


def test_documents_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("x").text = "y"  # type: ignore[misc]


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u00a0\u3000\u2029"])
def test_white_space_alone_is_empty(text: str) -> None:
    rejection = unless_empty(make(text))
    assert isinstance(rejection, Rejection)
    assert (rejection.source, rejection.document, rejection.reason) == ("wiki", "a", "empty")


@pytest.mark.parametrize("text", ["x", " . ", "\0", "\u200b"])
def test_anything_else_is_not(text: str) -> None:
    assert unless_empty(make(text)) == make(text)


def test_reasons_are_a_fixed_set_of_words() -> None:
    assert set(REASONS) == {
        "unreadable_file",
        "invalid_utf8",
        "invalid_encoding",
        "invalid_json",
        "invalid_xml",
        "invalid_http",
        "http_error",
        "missing_field",
        "other_namespace",
        "redirect",
        "not_text",
        "too_complex",
        "too_long",
        "too_short",
        "blocked",
        "other_language",
        "gopher_quality",
        "gopher_repetition",
        "c4",
        "bad_words",
        "fineweb",
        "empty",
        "duplicate",
        "near_duplicate",
    }


def test_surrogates_are_found_spelled_out_and_replaced() -> None:
    assert find_surrogate("plain") is None
    assert find_surrogate("für 𝄞") is None
    assert find_surrogate("ab\ud800c") == 2
    assert replace_surrogates("a\udfffb𝄞") == "a\ufffdb𝄞"
    assert printable_name("caf\udce9") == "caf\\udce9"
    assert printable_name("café") == "café"
