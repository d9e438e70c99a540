"""What a run says: `metrics.jsonl`, one object a line, and one calm line on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bertdata.shards import write_text

FILE_NAME = "metrics.jsonl"


class Metrics:
    """Appends to `metrics.jsonl`. Lines after `step` are left from a killed run and dropped."""

    def __init__(self, folder: Path, *, step: int) -> None:
        self._path = folder / FILE_NAME
        kept = [line for line in _read_lines(self._path) if line["step"] <= step]
        write_text(self._path, "".join(_to_line(line) for line in kept))

    def write(self, values: dict[str, Any]) -> None:
        """Append one object; it has a "step"."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_to_line(values))


def say(values: dict[str, Any]) -> None:
    """Print one line: step 100  loss 6.912  …"""
    parts = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in values.items()]
    print("  ".join(parts), flush=True)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of the file; a last line cut off by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _to_line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
