"""Headings, list items and paragraphs; headings without prose below them are dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LIST_MARK = re.compile(r"[*#:;]++[ \t]*+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """A heading or anything else, without markup."""

    text: str
    level: int = 0  # of a heading, 1 to 6


def split_paragraphs(text: str) -> Iterator[_Paragraph]:
    """Headings, list items and runs of other lines."""
    lines: list[str] = []
    for line in text.split("\n"):
        line = " ".join(line.split())
        is_item = bool(line) and line[0] in "*#:;"
        heading = _read_heading(line)
        if (not line or is_item or heading) and lines:
            yield _Paragraph("\n".join(lines))
            lines = []
        if heading:
            yield heading
        elif not line or line.startswith(("|", "----")) or not _WORD.search(line):
            continue
        elif is_item:
            yield _Paragraph(_LIST_MARK.sub("", line, count=1))
        else:
            lines.append(line)
    if lines:
        yield _Paragraph("\n".join(lines))


def _read_heading(line: str) -> _Paragraph | None:
    """The heading of "== A ==", "A" of level 2; None if a line is not a heading."""
    title = line.strip("= ")
    if not (title and line.startswith("=") and line.endswith("=")):
        return None
    before, after = len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("="))
    return _Paragraph(title, min(before, after, 6))


def drop_empty_sections(paragraphs: Iterable[_Paragraph]) -> Iterator[str]:
    """The texts, without headings whose sections have no prose."""
    waiting: list[_Paragraph] = []
    for paragraph in paragraphs:
        if paragraph.level:
            while waiting and waiting[-1].level >= paragraph.level:
                waiting.pop()
            waiting.append(paragraph)
        else:
            yield from (heading.text for heading in waiting)
            waiting.clear()
            yield paragraph.text
