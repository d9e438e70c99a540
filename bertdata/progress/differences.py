"""In which values two configurations differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeGuard

from bertdata.config import Table


def describe_differences(old: object, new: object, name: str = "") -> list[str]:
    """Lines such as "examples.max_seq_length 128, now 512" for each value that differs."""
    if _has_names(old) and _has_names(new):
        old, new = ({item["name"]: item for item in items} for items in (old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        prefix = f"{name}." if name else ""
        return [
            line
            for key in keys
            for line in describe_differences(old.get(key), new.get(key), f"{prefix}{key}")
        ]
    if old == new:
        return []
    if _is_long(old) or _is_long(new):
        return [f"{name} differ"]
    return [f"{name} was {json.dumps(old)}, now {json.dumps(new)}"]


def _has_names(value: object) -> TypeGuard[list[Table]]:
    """Whether a value is a list of tables that tell each other apart by a name of their own."""
    if not isinstance(value, list) or not value:
        return False
    names = [item.get("name") for item in value if isinstance(item, Mapping)]
    return len(names) == len(value) == len({*names} - {None})


def _is_long(value: object) -> bool:
    return len(json.dumps(value)) > 80
