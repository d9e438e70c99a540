"""metrics.jsonl and the line on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.metrics import Metrics, say


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    first = Metrics(tmp_path, step=0)
    for step in (1, 2, 3):
        first.write({"step": step, "mlm_loss": 1.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ml')
    Metrics(tmp_path, step=2).write({"step": 3, "mlm_loss": 2.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": n, "mlm_loss": x} for n, x in ((1, 1.5), (2, 1.5), (3, 2.5))]


def test_the_terminal_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say({"step": 10, "mlm_loss": 6.54321, "nsp_loss": None})
    assert capsys.readouterr().out == "step 10  mlm loss 6.543  nsp loss -\n"
