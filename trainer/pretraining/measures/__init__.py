"""What a run measures: evaluation, yardstick, operations per step, progress."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["Evaluation", "evaluate"],
        "flops": ["peak_flops", "step_flops"],
        "metrics": ["Log"],
        "piece_counts": ["count_masked_pieces"],
        "yardstick": ["Yardstick", "measure_yardstick"],
    },
)
