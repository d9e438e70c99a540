"""metrics.jsonl and the line on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.metrics import Metrics


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    first = Metrics(tmp_path, step=0)
    for step in (1, 2, 3):
        first.write({"step": step, "mlm_loss": 1.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ml')
    Metrics(tmp_path, step=2).write({"step": 3, "mlm_loss": 2.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": n, "mlm_loss": x} for n, x in ((1, 1.5), (2, 1.5), (3, 2.5))]
