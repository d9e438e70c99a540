"""Prefect flows and the `bertdata` command."""

from __future__ import annotations

__all__: list[str] = []
