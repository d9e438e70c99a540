"""Who shows a run on standard output: by lines, not at all, or by JSON."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import asdict

from bertdata.notices import is_warning
from bertdata.storage.locations import Location
from flows.terminal.events import Event, Note, StageFinished
from flows.terminal.styled import print_lines

_NOT_FOR_MACHINES = ("line", "is_detail", "made")


class View:
    """Prints a line for everything that happens. `seconds`: that each stage took that was made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def show(self, event: Event) -> None:
        """Show that something happened."""
        if isinstance(event, StageFinished) and not event.was_complete:
            self.seconds[event.stage] = event.seconds
        self._show(event)

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """A context in which this view is the current one."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def end(self, output: Location, lines: Iterable[str]) -> None:
        """Show the end of a command that made something in `output`: lines about it."""
        print_lines(lines)

    def _show(self, event: Event) -> None:
        print(event, flush=True)


class QuietView(View):
    """Prints nothing but warnings, on standard error as errors are."""

    def end(self, output: Location, lines: Iterable[str]) -> None:
        pass

    def _show(self, event: Event) -> None:
        if isinstance(event, Note) and is_warning(event.text):
            print(event, file=sys.stderr, flush=True)


class JsonView(View):
    """Prints an object a line. Its "event" is the name of an event's class: "stage_started"."""

    def end(self, output: Location, lines: Iterable[str]) -> None:
        _print_object("finished", {"output": str(output), "seconds": self.seconds})

    def _show(self, event: Event) -> None:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
        table = asdict(event)
        _print_object(name, {key: table[key] for key in table if key not in _NOT_FOR_MACHINES})


def current_view() -> View | None:
    """The view of the command that is running; none in a flow that Prefect itself starts."""
    return _CURRENT.get()


def _print_object(event: str, values: dict[str, object]) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


_CURRENT: ContextVar[View | None] = ContextVar("_CURRENT", default=None)
