"""What all cards for Hugging Face's hub have: a README.md that begins with a table in YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from bertdata.config import Table

CARD_NAME = "README.md"
# A licence that the hub knows, and that says what we know.
UNKNOWN_LICENCE = "unknown"


def make_card(head: Table, body: Iterable[str]) -> str:
    """The text of a card.

    `head`: texts, and lists of texts or tables. `body`: lines of Markdown.
    """
    return "\n".join(["---", *_to_yaml(head), "---", "", *body, ""])


def table_lines(rows: Mapping[str, object]) -> Iterator[str]:
    """A Markdown table of two columns without titles."""
    yield from ("| | |", "| --- | --- |")
    yield from (f"| {name} | {_shown(value)} |" for name, value in rows.items())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _to_yaml(table: Table, indent: str = "") -> Iterator[str]:
    """The lines of a table. Texts are quoted: without, Norwegian ("no") would be false."""
    for key, value in table.items():
        if not isinstance(value, list):
            yield f"{indent}{key}: {_quoted(value)}"
            continue
        yield f"{indent}{key}:"
        for item in value:
            lines = _to_yaml(item, "  ") if isinstance(item, Mapping) else [f"  {_quoted(item)}"]
            for number, line in enumerate(lines):
                yield f"{indent}{'- ' if number == 0 else '  '}{line.removeprefix('  ')}"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
