"""What the trainer's commands share."""

from __future__ import annotations

from typing import Any


def say(values: dict[str, Any]) -> None:
    """Print one line: step 100  loss 6.912  …"""
    parts = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in values.items()]
    print("  ".join(parts), flush=True)


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
