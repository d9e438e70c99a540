"""Artifacts of stages: their keys, their rows, how often a progress bar is moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from bertdata.progress.lines import StageProgress
from bertdata.storage.locations import locate
from flows.config import Run, RunConfig
from flows.pages import artifacts
from flows.pages.artifacts import StagePages
from flows.paths import RunPaths
from flows.terminal.events import Event, StageFinished

COUNTS: dict[str, Any] = {
    "documents_read": 40,
    "documents_written": 30,
    "documents_rejected": 10,
    "rejected": {"empty": 6, "duplicate": 4},
    "sentences": 12_345,
}


class Server:
    """What is sent to it: the kind of a call with its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for kind in ("create_progress", "update_progress", "create_table"):
            monkeypatch.setattr(artifacts, f"{kind}_artifact", self.take(kind))

    def take(self, kind: str) -> Any:
        def take(*arguments: Any) -> UUID:
            self.calls.append((kind, *arguments))
            return uuid4()

        return take


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


@pytest.fixture
def pages() -> StagePages:
    return StagePages(Run(config=RunConfig(), base=Path(), paths=RunPaths(Path("/runs/demo"))))


def progress(done: int) -> Event:
    return StageProgress(stage="sentences", done=done, total=4)


def finished(counts: dict[str, Any]) -> StageFinished:
    return StageFinished(
        stage="sentences",
        folder="/runs/demo/sentences",
        made="",
        seconds=1,
        was_complete=False,
        content_sha256="abc",
        counts=counts,
    )


def test_the_key_of_a_folder_stays_and_is_its_own() -> None:
    keys = [
        artifacts._artifact_key(locate(output), "vocab")
        for output in ("/runs/My run_2", "/runs/My run_2", "/old/My run_2", "s3://bucket/demo")
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert keys[0].startswith("vocab-my-run-2-")
    assert keys[3].startswith("vocab-demo-")


def test_a_table_has_counts_and_shares(pages: StagePages, server: Server) -> None:
    pages.show(finished(COUNTS))
    ((kind, rows, key, text),) = server.calls
    assert kind == "create_table"
    assert key.startswith("sentences-demo-")
    assert "/runs/demo/sentences" in text
    assert [tuple(row.values()) for row in rows] == [
        ("documents read", "40", ""),
        ("documents written", "30", "75.0%"),
        ("documents rejected", "10", "25.0%"),
        ("rejected empty", "6", "15.0%"),
        ("rejected duplicate", "4", "10.0%"),
        ("sentences", "12,345", ""),
    ]


def test_measured_shares_stand_beside_their_counts() -> None:
    counts = {
        "train": {"masked": 8, "shares": {"masked": 0.8, "mean_length": 31.25}},
        "is_reliable": False,
        "loss": 1.23456,
        "error": None,
    }
    assert [tuple(row.values()) for row in artifacts._rows(counts)] == [
        ("train masked", "8", "80.0%"),
        ("train mean length", "", "31.2"),
        ("is reliable", "no", ""),
        ("loss", "1.235", ""),
    ]


def test_a_bar_is_moved_now_and_then_and_ends_full(pages: StagePages, server: Server) -> None:
    for done in (1, 2, 3):
        pages.show(progress(done))
    pages.show(finished(COUNTS))
    moves = [(kind, *values) for kind, *values in server.calls if "progress" in kind]
    assert [kind for kind, *_ in moves] == ["create_progress", "update_progress"]
    assert moves[0][1] == 25
    assert moves[1][2] == 100


@pytest.mark.usefixtures("server")
def test_a_lost_server_does_not_end_a_run(
    pages: StagePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Logger:
        def warning(self, line: str) -> None:
            lines.append(line)

    def refuse(*_: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr("flows.pages.lost_server.get_run_logger", Logger)
    monkeypatch.setattr(artifacts, "create_table_artifact", refuse)
    pages.show(finished(COUNTS))
    assert lines == ["Prefect's pages lack something of this run: refused"]
