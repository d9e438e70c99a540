"""Headings, list items and paragraphs."""

from __future__ import annotations

from bertdata.corpus.formats.wikipedia.wikitext.paragraphs import (
    drop_empty_sections,
    split_paragraphs,
)


def prose(text: str) -> list[str]:
    return list(drop_empty_sections(split_paragraphs(text)))


def test_lines_join_until_a_blank_line_an_item_or_a_heading() -> None:
    text = "one\ntwo  words\n\nthree\n* item\n: answer\n== A ==\nfour"
    assert prose(text) == ["one\ntwo words", "three", "item", "answer", "A", "four"]


def test_lines_without_words_are_dropped() -> None:
    assert prose("----\n| cell\n...\n*\nwords") == ["words"]


def test_headings_without_prose_are_dropped() -> None:
    text = "== A ==\n=== B ===\nprose\n=== C ===\n== D ==\n=== E ===\n"
    assert prose(text) == ["A", "B", "prose"]
