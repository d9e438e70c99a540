"""What happens while a run is made, for whoever shows it. As text, each is its plain line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bertdata.config import Table
from bertdata.progress.lines import StageProgress
from flows.wording import duration, number, size

_SECONDS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A line for people. `is_detail`: the table at the end of a run says it, too."""

    text: str
    is_detail: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class StageStarted:
    """A stage that is not complete is being made. `text_bytes`: about; 0 where there is none.

    `steps`: of a training that is so many steps long, otherwise 0.
    """

    stage: str
    text_bytes: int = 0
    steps: int = 0

    def __str__(self) -> str:
        text = f", about {size(self.text_bytes)} of text" if self.text_bytes else ""
        return f"{self.stage}: started{text}{f', {number(self.steps)} steps' if self.steps else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingProgress:
    """How far the training is; `line`: as the trainer says it. `steps`: as in StageStarted."""

    line: str
    step: int
    steps: int
    loss: float | None
    tokens_per_second: float | None
    seconds_left: float

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True, kw_only=True, slots=True)
class StageFinished:
    """A stage is complete, and was before if `was_complete`.

    `made`: what, in a few words. `counts`: as in the manifest, without the long lists.
    """

    stage: str
    folder: str
    made: str
    seconds: float
    was_complete: bool
    content_sha256: str
    counts: Table

    def __str__(self) -> str:
        if self.was_complete:
            return f"{self.stage}: already complete"
        made = f", {self.made}" if self.made else ""
        return f"{self.stage}: done in {duration(self.seconds)}{made}"


Event = Note | StageStarted | StageProgress | TrainingProgress | StageFinished
Say = Callable[[Event], None]


def read_trainer_line(line: str, steps: int) -> Event:
    """What the trainer says with a line that it prints. `steps`: as in StageStarted."""
    numbers = dict(part.rsplit(" ", 1) for part in line.split("  ") if " " in part)
    try:
        return TrainingProgress(
            line=line,
            step=int(numbers["step"]),
            steps=steps,
            loss=_read_number(numbers["loss"]),
            tokens_per_second=_read_number(numbers["tokens/s"]),
            seconds_left=_read_duration(numbers["left"]),
        )
    except (KeyError, ValueError):  # any other line, such as that of an evaluation
        return Note(text=line, is_detail=not line.startswith("step "))


def _read_number(text: str) -> float | None:
    return None if text == "-" else float(text.replace(",", ""))


def _read_duration(text: str) -> float:
    """ "1m21s" -> 81.0."""
    parts = re.findall(r"(\d+)([hms])", text)
    if not parts:
        raise ValueError(text)
    return float(sum(int(count) * _SECONDS[unit] for count, unit in parts))
