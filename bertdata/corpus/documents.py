"""`Document`, the unit of text, and `Rejection`, for a document that cannot be used.

Readers yield one or the other for each document, so that read = written + rejected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from bertdata.printable import printable

Reason = Literal[
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
    "too_long",
    "too_complex",
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
]
REASONS: tuple[str, ...] = get_args(Reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document: its corpus, its id there, its text.

    `sentences`: set by formats that have sentences already; then `text` is not split again.
    `place`: readable position in the input, unless the id has it: "a.jsonl, line at byte 99".
    `lines_dropped`: number of its lines that cleaning dropped.
    """

    source: str
    document: str
    text: str
    sentences: tuple[str, ...] | None = None
    place: str = field(default="", compare=False)
    lines_dropped: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """One document, or the unread rest of a file, that cannot be used. `detail` is readable."""

    source: str
    document: str
    reason: Reason
    detail: str


def reject(document: Document, reason: Reason, why: str) -> Rejection:
    """The rejection of a document that was read."""
    rejection = Rejection(
        source=document.source, document=document.document, reason=reason, detail=why
    )
    return at_place(rejection, document.place)


def at_place(rejection: Rejection, place: str) -> Rejection:
    """The rejection with the place, unless that is "", before its detail."""
    return replace(rejection, detail=f"{place}: {rejection.detail}") if place else rejection


def unless_empty(document: Document) -> Document | Rejection:
    """The document itself, or its rejection if it has only white space."""
    if document.text and not document.text.isspace():
        return document
    return reject(document, "empty", "no text but white space")


def printable_name(name: str) -> str:
    r"""A name on one line of UTF-8: controls and lone surrogates become `\n`, `\udc80` etc."""
    return printable(name)


def replace_surrogates(text: str) -> str:
    """The text with each lone surrogate, which UTF-8 cannot hold, as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def find_surrogate(text: str) -> int | None:
    """The index of the first lone surrogate, or None."""
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start
    return None


_SURROGATE = re.compile("[\ud800-\udfff]")
