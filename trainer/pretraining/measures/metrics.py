"""The progress of a run: `metrics.jsonl`, TensorBoard's files, and one line on the terminal."""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from bertdata.notices import note
from bertdata.storage.files import exists, read_bytes
from bertdata.storage.locations import Location
from trainer.batch import Counts
from trainer.pretraining.checkpoint.progress import Progress
from trainer.pretraining.gradients import StepResult
from trainer.pretraining.measures.evaluation import Evaluation
from trainer.pretraining.measures.line_file import LineFile

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_FILE_NAME = "metrics.jsonl"
_TENSORBOARD_NAME = "tensorboard"

_Numbers: TypeAlias = dict[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """A step's result, and the seconds it took, `wait_seconds` of them waiting for data."""

    result: StepResult
    seconds: float
    wait_seconds: float


class Log:
    """Reports the steps since its last report to the terminal, metrics.jsonl and TensorBoard.

    TensorBoard gets files only if the folder is on this machine.

    `folder`: None on a rank that reports nothing. `share_done`: of the run's budget, in [0, 1].
    `peak_flops`: of all devices together.
    """

    def __init__(
        self,
        folder: Location | None,
        progress: Progress,
        *,
        share_done: float,
        device: torch.device,
        peak_flops: float | None,
    ) -> None:
        self._metrics = None if folder is None else Metrics(folder, step=progress.steps)
        self._share_before, self._seconds_before = share_done, progress.seconds
        self._device = device
        self._peak_flops = peak_flops
        self._steps: list[Timed] = []
        self._flops = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there were steps since the last report."""
        return bool(self._steps)

    def add(self, result: StepResult, *, seconds: float, wait_seconds: float, flops: float) -> None:
        """Note a step."""
        self._steps.append(Timed(result=result, seconds=seconds, wait_seconds=wait_seconds))
        self._flops += flops

    def report(self, progress: Progress, *, share_done: float) -> None:
        """Write and print the numbers of the steps since the last report."""
        steps, flops = self._steps, self._flops
        self._steps, self._flops = [], 0.0
        if self._metrics is None:
            return
        pace = (progress.seconds - self._seconds_before) / max(
            1e-9, share_done - self._share_before
        )
        values: _Numbers = {
            "step": progress.steps,
            **summarize(steps, flops=flops, peak_flops=self._peak_flops),
            "memory_bytes": _peak_memory_bytes(self._device),
            "tokens": progress.tokens,
            "skipped_steps": progress.skipped,
            "seconds_left": max(0.0, 1 - share_done) * pace,
        }
        self._metrics.write(values)
        print(_step_line(values), flush=True)

    def report_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Write and print an evaluation."""
        if self._metrics is None:
            return
        values = {f"validation_{name}": value for name, value in evaluation.numbers().items()}
        self._metrics.write({"step": step, **values})
        print(_evaluation_line(step, evaluation), flush=True)

    def flush(self) -> None:
        """Make sure that metrics.jsonl has all lines: before a checkpoint and at the end."""
        if self._metrics is not None:
            self._metrics.flush()


class Metrics:
    """Adds to `metrics.jsonl`, and to TensorBoard's files if tensorboard is installed.

    TensorBoard's files grow while they are open, so a folder at an address gets none. Lines after
    `step` were written by a killed run and are dropped.
    """

    def __init__(self, folder: Location, *, step: int) -> None:
        path = folder / _FILE_NAME
        kept = [line for line in _read_lines(path) if (line["step"] or 0) <= step]
        self._file = LineFile(path, "".join(_to_line(line) for line in kept))
        board = folder / _TENSORBOARD_NAME
        self._board = _open_tensorboard(board) if isinstance(board, Path) else None

    def write(self, values: _Numbers) -> None:
        """Add one object; it has a "step"."""
        self._file.append(_to_line(values))
        if self._board is not None:
            for name, value in values.items():
                if name != "step" and value is not None:
                    self._board.add_scalar(name, value, values["step"])
            self._board.flush()

    def flush(self) -> None:
        """Make sure that metrics.jsonl has all lines."""
        self._file.flush()


def _open_tensorboard(folder: Path) -> SummaryWriter | None:
    if importlib.util.find_spec("tensorboard") is None:
        if folder.exists():
            note(f"{folder} gets no more files, as tensorboard is not installed")
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def summarize(steps: Sequence[Timed], *, flops: float, peak_flops: float | None) -> _Numbers:
    """Return the numbers of some steps together.

    Losses, accuracies and the norm are means over the steps that were not skipped, None if all
    were. `flops`: what all of them needed; `mfu`: None without a known peak
    (`trainer.pretraining.measures.flops`).
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


def _peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory so far: of the GPU if there is one, otherwise of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _step_line(values: Mapping[str, float | None]) -> str:
    def show(name: str, form: str) -> str:
        return _number(values[name], form)

    parts = [
        f"step {values['step']}",
        f"loss {show('loss', '.3f')}",
        f"mlm loss {show('mlm_loss', '.3f')}",
        f"mlm acc {show('mlm_accuracy', '.1%')}",
        f"nsp acc {show('nsp_accuracy', '.1%')}",
        f"lr {show('learning_rate', '.2e')}",
        f"grad norm {show('gradient_norm', '.2f')}",
        f"tokens/s {show('tokens_per_second', ',.0f')}",
        f"mfu {show('mfu', '.1%')}",
        f"data wait {show('data_wait_share', '.1%')}",
        f"padding {show('padding_share', '.1%')}",
        f"memory {(values['memory_bytes'] or 0) / 1e9:.1f} GB",
        f"skipped {values['skipped_steps']}",
        f"left {_duration(values['seconds_left'] or 0)}",
    ]
    return "  ".join(parts)


def _evaluation_line(step: int, evaluation: Evaluation) -> str:
    parts = [
        f"step {step}",
        f"validation mlm loss {_number(evaluation.mlm_loss, '.3f')}",
        f"mlm acc {_number(evaluation.mlm_accuracy, '.1%')}",
        f"nsp acc {_number(evaluation.nsp_accuracy, '.1%')}",
    ]
    return "  ".join(parts)


def _read_lines(path: Location) -> list[_Numbers]:
    """Return the objects of the file; a last line that a kill cut off is left out."""
    if not exists(path):
        return []
    lines = read_bytes(path).decode("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _to_line(values: _Numbers) -> str:
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
