"""Results as tables: printed, as JSON, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertdata.storage.writing import write_json, write_text

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows by column name; a row may lack columns. `note`: how to read it."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the order in which rows bring them."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))


def to_text(table: Table) -> str:
    """The table in aligned columns."""
    cells = [table.columns, *([_text(row.get(c)) for c in table.columns] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(_align(*pair) for pair in zip(row, widths)).rstrip() for row in cells]
    return "\n".join(["", table.title, "-" * len(table.title), *lines, *_notes(table)])


def to_markdown(table: Table) -> str:
    """The table as Markdown under a heading."""
    rows = [table.columns, ["---"] * len(table.columns)]
    rows += [[_text(row.get(name)) for name in table.columns] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"## {table.title}", "", *lines, "", *_notes(table), ""])


def write_results(folder: Path, tables: Sequence[Table], facts: Row) -> None:
    """Write results.json and results.md. `facts`: what the tables were measured on."""
    write_json(folder / "results.json", {"facts": facts, "tables": [asdict(t) for t in tables]})
    heading = "\n".join(f"- {name}: {_text(value)}" for name, value in facts.items())
    write_text(folder / "results.md", "\n".join([heading, "", *map(to_markdown, tables)]))


def megabytes(num_bytes: float) -> float:
    """Bytes in millions."""
    return num_bytes / 1e6


def _notes(table: Table) -> Iterator[str]:
    if table.note:
        yield table.note


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _align(text: str, width: int) -> str:
    is_number = text[:1].isdigit() or text[:1] == "-"
    return text.rjust(width) if is_number else text.ljust(width)
