"""What Prefect's pages show of a run's results: artifacts, of each stage and of the report.

Their keys stay the same for an output folder, so that Prefect keeps their history. They are made
only where somebody can look at them: on a server of the user's own.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from bertdata.config import Table
from bertdata.progress.lines import StageProgress
from bertdata.storage.locations import Location
from flows.config import Run
from flows.finished import read_run
from flows.pages.labels import label_run
from flows.pages.lost_server import log_lost_server
from flows.pages.picture import draw_loss
from flows.paths import RunPaths
from flows.terminal.events import Event, StageFinished, StageStarted, TrainingProgress
from flows.views.summary import summary_lines
from flows.wording import number, percent

_MIN_SECONDS = 2.0  # between two updates of a progress bar


class StagePages:
    """Shows a stage on the pages while it is made: how far it is, then what it made."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._bar: UUID | None = None
        self._updated = 0.0

    def show(self, event: Event) -> None:
        """Show that something happened."""
        with log_lost_server():
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case StageStarted() if event.text_bytes:
                label_run(self._run, event.text_bytes)
            case StageProgress() if event.total > 1:
                self._show_progress(event.stage, event.done / event.total)
            case TrainingProgress() if event.steps:
                self._show_progress("model", event.step / event.steps)
            case StageFinished():
                self._finish(event)

    def _show_progress(self, stage: str, share: float) -> None:
        if self._bar is None:
            key = _artifact_key(self._run.paths.output, f"{stage}-progress")
            made = create_progress_artifact(100 * share, key, f"How far `{stage}` is")
            self._bar = made if isinstance(made, UUID) else None
        elif share == 1 or time.monotonic() - self._updated >= _MIN_SECONDS:
            update_progress_artifact(self._bar, 100 * share)
        else:
            return
        self._updated = time.monotonic()

    def _finish(self, event: StageFinished) -> None:
        if self._bar is not None:
            self._show_progress(event.stage, 1.0)
            self._bar = None  # the same task may make another stage
        output = self._run.paths.output
        if text_bytes := event.counts.get("text_bytes"):
            label_run(self._run, text_bytes)
        create_table_artifact(
            list(_rows(_with_shares(event.counts))),
            _artifact_key(output, event.stage),
            f"{event}\n\nIn `{event.folder}`, content {event.content_sha256}",
        )


def show_report(paths: RunPaths, report: Location) -> None:
    """Show the summary of a run with its loss as a text with a picture, and link to its report."""
    output = paths.output
    summary, page = (_artifact_key(output, what) for what in ("report", "page"))
    with log_lost_server():
        create_markdown_artifact("\n".join(_markdown(paths)), summary, f"The run in {output}")
        create_link_artifact(_as_link(report), str(report), page, "All of it, as one HTML page")


def _artifact_key(output: Location, what: str) -> str:
    """The key of an artifact, "vocab-demo-1a2b3c4d": other folders of this name have other keys."""
    name = re.sub("[^a-z0-9]+", "-", output.name.lower()).strip("-")
    return "-".join(filter(None, [what, name, _hash(str(output))]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def _with_shares(counts: Table) -> Table:
    """Counts of sentences with shares of the documents beside them; others as they are."""
    read = counts.get("documents_read")
    if not read:
        return counts
    names = ("documents_written", "documents_rejected")
    rejected = counts["rejected"]
    by_reason = {reason: count / read for reason, count in rejected.items()}
    return {
        **counts,
        "shares": {name: counts[name] / read for name in names},
        "rejected": {**rejected, "shares": by_reason},
    }


def _rows(counts: Table, parent: str = "") -> Iterator[dict[str, str]]:
    """A row for each count: its name, its value, its share where one is measured."""
    shares = counts.get("shares", {})
    for name in dict.fromkeys((*counts, *shares)):
        what = f"{parent} {name}".strip().replace("_", " ")
        if isinstance(value := counts.get(name, ""), Mapping):
            if name != "shares":
                yield from _rows(value, what)
        elif value is not None:
            yield {"what": what, "count": _text(value), "share": _share(shares.get(name))}


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return number(value)
        case float():
            return f"{value:.4g}"
    return str(value)


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return percent(value) if value <= 1 else f"{value:.1f}"  # a mean stands among the shares


def _markdown(paths: RunPaths) -> Iterator[str]:
    """The lines at the end of a run, and the picture of its loss."""
    yield from ("```text", *summary_lines(paths.output), "```", "")
    if picture := draw_loss(read_run(paths)):
        yield f"![Loss of the training by step]({picture})"


def _as_link(report: Location) -> str:
    return report.absolute().as_uri() if isinstance(report, Path) else str(report)
