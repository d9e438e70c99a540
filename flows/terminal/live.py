"""A run on a terminal: one line per stage, drawn again and again while the stage is being made."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from bertdata.progress.lines import StageProgress
from flows.terminal.events import Event, Note, StageFinished, StageStarted, TrainingProgress
from flows.terminal.view import View
from flows.wording import duration, number

_WIDE = 100  # columns of a terminal with space for a long bar
_BARS = {True: 24, False: 8}
_PER_SECOND = 4


class LiveView(View):
    """Draws how far the stage under way is; what is to be kept stands above, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(_BARS[self._console.width >= _WIDE]),
            TextColumn("{task.fields[facts]}", markup=False, table_column=_one_line()),
            _Time(table_column=_one_line()),
            console=self._console,
            transient=True,
            refresh_per_second=_PER_SECOND,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("starting", total=None, facts="", ends=None)

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """A context in which this view is the current one, and draws."""
        with super().showing(), self._progress:
            yield

    def _show(self, event: Event) -> None:
        match event:
            case StageStarted():
                facts = str(event).partition(", ")[2]
                self._begin(event.stage, facts)
            case StageProgress():
                # A single part is done only at the end.
                total = event.total if event.total > 1 else None
                self._update(event.done, total, _progress_facts(event), event.seconds_left)
            case TrainingProgress():
                total = event.steps or None
                self._update(event.step, total, _training_facts(event), event.seconds_left)
            case StageFinished():
                self._print(event.stage, str(event).removeprefix(event.stage))
                self._begin("", "", is_visible=False)
            case Note() if not event.is_detail:
                self._print("", str(event))

    def _begin(self, stage: str, facts: str, *, is_visible: bool = True) -> None:
        self._progress.reset(
            self._task, description=stage, total=None, visible=is_visible, facts=facts, ends=None
        )

    def _update(
        self, done: int, total: int | None, facts: Iterator[str], seconds_left: float | None
    ) -> None:
        ends = None if seconds_left is None else self._progress.get_time() + seconds_left
        self._progress.update(
            self._task, completed=done, total=total, facts="  ".join(facts), ends=ends
        )

    def _print(self, title: str, rest: str) -> None:
        self._console.print(Text.assemble((title, "bold green"), rest), soft_wrap=True)


class _Time(ProgressColumn):
    """The time left, counted down between two reports; where it is not known, the time so far."""

    def render(self, task: Task) -> Text:
        ends: float | None = task.fields["ends"]
        if ends is None:
            return Text(duration(round(task.elapsed or 0)), style="cyan")
        left = round(ends - task.get_time())
        return Text(f"{duration(left)} left" if left > 0 else "", style="cyan")


def _one_line() -> Column:
    return Column(no_wrap=True, overflow="ellipsis")


def _progress_facts(event: StageProgress) -> Iterator[str]:
    if event.documents is not None:
        total = f"/{number(event.total_documents)}" if event.total_documents else ""
        yield f"{number(event.documents)}{total} documents"
    yield f"{event.bytes / 1e6:.1f}/{event.total_bytes / 1e6:.1f} MB"
    if event.bytes_per_second is not None:
        yield f"{event.bytes_per_second / 1e6:.1f} MB/s"


def _training_facts(event: TrainingProgress) -> Iterator[str]:
    yield f"step {number(event.step)}" + (f"/{number(event.steps)}" if event.steps else "")
    if event.loss is not None:
        yield f"loss {event.loss:.3f}"
    if event.tokens_per_second is not None:
        yield f"{number(event.tokens_per_second)} tokens/s"
