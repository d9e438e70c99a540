"""One Beam job per stage; `python -m pipelines.jobs.NAME` runs one."""

from __future__ import annotations

__all__: list[str] = []
