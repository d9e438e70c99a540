"""What a run says: `metrics.jsonl`, TensorBoard's files, and one calm line on the terminal."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bertdata.storage.shards import write_text
from trainer.batch import Counts
from trainer.pretraining.measures.evaluation import Evaluation
from trainer.pretraining.measures.event_file import EventFile
from trainer.pretraining.step import StepResult

FILE_NAME = "metrics.jsonl"
TENSORBOARD_NAME = "tensorboard"


class Metrics:
    """Appends to `metrics.jsonl` and to an event file of TensorBoard.

    Lines after `step` are left from a killed run and dropped.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        self._path = folder / FILE_NAME
        kept = [line for line in _read_lines(self._path) if line["step"] <= step]
        write_text(self._path, "".join(_to_line(line) for line in kept))
        self._events = EventFile(folder / TENSORBOARD_NAME)

    def write(self, values: dict[str, Any]) -> None:
        """Append one object; it has a "step"."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_to_line(values))
        numbers = {k: float(v) for k, v in values.items() if k != "step" and v is not None}
        self._events.add(values["step"], numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """A step's result, and the seconds it took, `wait_seconds` of them waiting for data."""

    result: StepResult
    seconds: float
    wait_seconds: float


def summarize(steps: Sequence[Timed], *, flops: float, peak_flops: float | None) -> dict[str, Any]:
    """The numbers of the last few steps.

    Losses, accuracies and the norm are means over the steps that were not skipped, None where all
    were. `flops`: what all of them needed; `mfu` as in `trainer.pretraining.measures.flops`, None without a known peak.
    """
    good = [timed.result for timed in steps if timed.result.is_finite]
    counts = Counts.summed([timed.result.counts for timed in steps])
    seconds = sum(timed.seconds for timed in steps)
    names = ("loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy")
    return {
        **{name: _mean([getattr(result, name) for result in good]) for name in names},
        "learning_rate": steps[-1].result.learning_rate,
        "gradient_norm": _mean([result.gradient_norm for result in good]),
        "tokens_per_second": counts.tokens / seconds,
        "mfu": flops / seconds / peak_flops if peak_flops else None,
        "data_wait_share": sum(timed.wait_seconds for timed in steps) / seconds,
        "padding_share": 1 - counts.tokens / counts.places,
    }


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory used so far: of the GPU where there is one, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def say_step(values: dict[str, Any]) -> None:
    """Print the numbers of a step as one line."""
    parts = [
        f"step {values['step']}",
        f"loss {_number(values['loss'], '.3f')}",
        f"mlm loss {_number(values['mlm_loss'], '.3f')}",
        f"mlm acc {_number(values['mlm_accuracy'], '.1%')}",
        f"nsp acc {_number(values['nsp_accuracy'], '.1%')}",
        f"lr {values['learning_rate']:.2e}",
        f"grad norm {_number(values['gradient_norm'], '.2f')}",
        f"tokens/s {values['tokens_per_second']:,.0f}",
        f"mfu {_number(values['mfu'], '.1%')}",
        f"data wait {values['data_wait_share']:.1%}",
        f"padding {values['padding_share']:.1%}",
        f"memory {values['memory_bytes'] / 1e9:.1f} GB",
        f"skipped {values['skipped_steps']}",
        f"left {_duration(values['seconds_left'])}",
    ]
    print("  ".join(parts), flush=True)


def say_evaluation(step: int, evaluation: Evaluation) -> None:
    """Print an evaluation as one line."""
    parts = [
        f"step {step}",
        f"validation mlm loss {_number(evaluation.mlm_loss, '.3f')}",
        f"mlm acc {_number(evaluation.mlm_accuracy, '.1%')}",
        f"nsp acc {_number(evaluation.nsp_accuracy, '.1%')}",
    ]
    print("  ".join(parts), flush=True)


class Log:
    """Sums up the last `every` steps, to the terminal, metrics.jsonl and TensorBoard.

    `peak_flops`: of all devices together.
    """

    def __init__(
        self, folder: Path, *, steps_done: int, device: torch.device, peak_flops: float | None
    ) -> None:
        self._metrics = Metrics(folder, step=steps_done)
        self._device = device
        self._peak_flops = peak_flops
        self._steps: list[Timed] = []
        self._flops = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there were steps since the last line."""
        return bool(self._steps)

    def add(self, result: StepResult, *, seconds: float, wait_seconds: float, flops: float) -> None:
        """Note a step."""
        self._steps.append(Timed(result=result, seconds=seconds, wait_seconds=wait_seconds))
        self._flops += flops

    def say(self, step: int, *, tokens: int, skipped: int, seconds_left: float) -> None:
        """Write and print the numbers of the steps since the last time."""
        values = {
            "step": step,
            **summarize(self._steps, flops=self._flops, peak_flops=self._peak_flops),
            "memory_bytes": peak_memory_bytes(self._device),
            "tokens": tokens,
            "skipped_steps": skipped,
            "seconds_left": seconds_left,
        }
        self._metrics.write(values)
        say_step(values)
        self._steps, self._flops = [], 0.0

    def add_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Note an evaluation."""
        values = {f"validation_{name}": value for name, value in evaluation.numbers().items()}
        self._metrics.write({"step": step, **values})
        say_evaluation(step, evaluation)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of the file; a last line cut off by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _to_line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _duration(seconds: float) -> str:
    """81.2 -> "1m21s"; nothing finer than a second, nor seconds beyond an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
