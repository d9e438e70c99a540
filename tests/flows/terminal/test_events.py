"""What happens in a run, and how the trainer's lines are read."""

from __future__ import annotations

from typing import Any

import pytest

from flows.terminal.events import (
    Note,
    StageFinished,
    StageStarted,
    TrainingProgress,
    read_trainer_line,
)
from trainer.pretraining.measures.metrics import _step_line

NUMBERS: dict[str, Any] = {
    "step": 100,
    "loss": 6.9125,
    "mlm_loss": 6.2,
    "mlm_accuracy": 0.1,
    "nsp_accuracy": None,
    "learning_rate": 1e-3,
    "gradient_norm": 1.5,
    "tokens_per_second": 42_239.4,
    "mfu": None,
    "data_wait_share": 0.01,
    "padding_share": 0.02,
    "memory_bytes": 4e8,
    "skipped_steps": 0,
    "seconds_left": 100.0,
}


def finished(**values: Any) -> StageFinished:
    common: dict[str, Any] = {"folder": "run/vocab", "made": "60 pieces", "seconds": 1.23}
    common |= {"was_complete": False, "content_sha256": "00", "counts": {"pieces": 60}}
    return StageFinished(stage="vocab", **{**common, **values})


def test_a_line_for_each() -> None:
    assert str(StageStarted(stage="vocab", text_bytes=16_400_000)) == (
        "vocab: started, about 16.4 MB of text"
    )
    assert str(StageStarted(stage="model", steps=2000)) == "model: started, 2,000 steps"
    assert str(StageStarted(stage="vocab")) == "vocab: started"
    assert str(finished()) == "vocab: done in 1.2 s, 60 pieces"
    assert str(finished(made="")) == "vocab: done in 1.2 s"
    assert str(finished(was_complete=True)) == "vocab: already complete"
    assert str(Note(text="note: x")) == "note: x"


@pytest.mark.parametrize(
    ("left", "seconds"), [(0.2, 0.0), (59.0, 59.0), (81.2, 81.0), (5025.0, 4980.0)]
)
def test_the_trainers_own_line_is_read(left: float, seconds: float) -> None:
    line = _step_line({**NUMBERS, "seconds_left": left})
    assert read_trainer_line(line, 800) == TrainingProgress(
        line=line, step=100, steps=800, loss=6.912, tokens_per_second=42_239.0, seconds_left=seconds
    )


def test_numbers_that_a_step_lacks() -> None:
    event = read_trainer_line(_step_line({**NUMBERS, "loss": None}), 0)
    assert isinstance(event, TrainingProgress)
    assert event.loss is None
    assert str(event) == event.line


@pytest.mark.parametrize(
    ("line", "is_detail"),
    [
        ("step 100  validation mlm loss 6.1  mlm acc 12.0%  nsp acc -", False),
        ("mlm loss 3.118  steps 600", True),
        ("too few validation pieces for this difference to mean much", True),
        ("step x  loss 1  tokens/s 1  left soon", False),
        ("", True),
    ],
)
def test_any_other_line_is_a_note(line: str, is_detail: bool) -> None:
    assert read_trainer_line(line, 800) == Note(text=line, is_detail=is_detail)
