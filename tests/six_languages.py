"""Two paragraphs in each of six scripts, with what the original tools make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary

_FIXTURES = Path(__file__).parent / "fixtures"
LANGUAGES = ("english", "german", "turkish", "korean", "chinese", "thai")


class Paragraph(NamedTuple):
    """A paragraph, the language of its Punkt parameters, and what tests compare with."""

    text: str
    punkt: str
    sentences: list[str]
    uncased_ids: list[list[int]]
    cased_ids: list[list[int]]


def paragraphs_in(language: str) -> Iterator[Paragraph]:
    """The paragraphs in one of LANGUAGES."""
    lines = (_FIXTURES / "texts" / "six_languages.jsonl").read_text(encoding="utf-8")
    for row in map(json.loads, lines.splitlines()):
        if row["language"] == language:
            yield Paragraph(**{name: row[name] for name in Paragraph._fields})


def fixture_vocabulary(name: str) -> Vocabulary:
    """The vocabulary "uncased" or "cased" of the fixtures."""
    return read_vocabulary(_FIXTURES / "original" / f"{name}.txt")
