"""Who shows a run without drawing: by lines, not at all, or by JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.progress.lines import StageProgress
from flows.terminal.events import Event, Note, StageStarted, TrainingProgress
from flows.terminal.view import JsonView, QuietView, View, current_view
from tests.flows.terminal.test_events import finished

EVENTS: list[Event] = [
    StageStarted(stage="vocab", text_bytes=2_000_000),
    StageProgress(stage="vocab", done=1, total=4, bytes=500_000, total_bytes=2_000_000),
    TrainingProgress(
        line="step 1  loss 2", step=1, steps=9, loss=2.0, tokens_per_second=None, seconds_left=3.0
    ),
    Note(text="note: a line"),
    Note(text="warning: a line", is_detail=True),
    finished(),
    finished(was_complete=True),
]


def show(view: View) -> None:
    for event in EVENTS:
        view.show(event)
    view.end(Path("runs/x"), ["all of it"])


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(View())
    out, err = capsys.readouterr()
    assert out.splitlines() == [*map(str, EVENTS), "all of it"]
    assert err == ""


def test_quiet_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show(QuietView())
    assert capsys.readouterr() == ("", "warning: a line\n")


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(JsonView())
    printed = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [table.pop("event") for table in printed] == [
        "stage_started",
        "stage_progress",
        "training_progress",
        "note",
        "note",
        "stage_finished",
        "stage_finished",
        "finished",
    ]
    assert printed[0] == {"stage": "vocab", "text_bytes": 2_000_000, "steps": 0}
    assert printed[2] == {
        "step": 1,
        "steps": 9,
        "loss": 2.0,
        "tokens_per_second": None,
        "seconds_left": 3.0,
    }
    assert printed[3] == {"text": "note: a line"}
    assert printed[5]["counts"] == {"pieces": 60}
    assert printed[-1] == {"output": "runs/x", "seconds": {"vocab": 1.23}}


def test_only_stages_that_were_made_have_a_time() -> None:
    view = View()
    view.show(finished(was_complete=True))
    assert view.seconds == {}
    view.show(finished())
    assert view.seconds == {"vocab": 1.23}


def test_the_current_view() -> None:
    assert current_view() is None
    view = QuietView()
    with view.showing():
        assert current_view() is view
    assert current_view() is None
