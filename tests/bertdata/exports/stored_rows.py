"""The rows of examples as they are stored, to compare with those of exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bertdata.storage.shards import open_arrow


def rows_of(examples: Path, split: str) -> list[dict[str, Any]]:
    """The rows of a split as they are stored, shard by shard."""
    rows = []
    for path in sorted(examples.glob(f"{split}-*.arrow")):
        with open_arrow(path) as reader:
            rows += reader.read_all().to_pylist()
    return rows


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    """Rows to compare with those in another order."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
