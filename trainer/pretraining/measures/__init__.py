"""What a run measures: evaluation, yardstick, operations per step, progress."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "evaluation": ["Evaluation", "evaluate"],
        "flops": ["peak_flops", "step_flops"],
        "metrics": ["Log"],
        "piece_counts": ["count_masked_pieces"],
        "yardstick": ["Yardstick", "measure_yardstick"],
    },
)
