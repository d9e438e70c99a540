"""PyTorch alone: blocks, objectives and devices; `python -m trainer.pretrain` trains a model."""

from __future__ import annotations

__all__: list[str] = []
