"""One live line per stage on a terminal."""

from __future__ import annotations

import re
import textwrap

import pytest

from tests.flows.terminal.test_styled import on_terminal

# Draws by hand, so that nothing depends on how fast a machine is.
SCRIPT = textwrap.dedent(
    """
    from pathlib import Path
    from flows.terminal.events import Note, StageFinished, StageStarted, TrainingProgress
    from flows.terminal.live import LiveView
    from bertdata.progress.lines import StageProgress

    view = LiveView()

    def show(event):
        view.show(event)
        view._progress.refresh()

    with view.showing():
        view._progress.refresh()
        show(StageStarted(stage="examples", text_bytes=16_400_000))
        show(StageProgress(stage="examples", done=2, total=4, documents=5025, total_documents=10051,
                           bytes=8_200_000, total_bytes=16_400_000, bytes_per_second=2e6,
                           seconds_left=100.3))
        show(Note(text="note: [b]a line[/b]"))
        show(Note(text="a detail", is_detail=True))
        show(StageFinished(stage="examples", folder="f", made="9 examples", seconds=2,
                           was_complete=False, content_sha256="", counts={}))
        show(StageStarted(stage="model", steps=800))
        show(TrainingProgress(line="step", step=200, steps=800, loss=6.9125,
                              tokens_per_second=42239.0, seconds_left=9.3))
        show(TrainingProgress(line="step", step=800, steps=800, loss=None,
                              tokens_per_second=None, seconds_left=0))
    view.end(Path("x"), ["the end"])
    """
)


def frames(printed: str) -> list[str]:
    """What stood on a line, one after the other; without colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)
    found = [frame.rstrip() for frame in re.split("[\r\n]+", plain)]
    return [frame for n, frame in enumerate(found) if frame and found[n - 1 : n] != [frame]]


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_drawn(columns: int) -> None:
    printed = on_terminal(SCRIPT, COLUMNS=str(columns))
    bar = "━" * (24 if columns == 120 else 8)
    found = frames(printed)
    assert found[0].startswith(f"starting {bar} ")
    assert f"examples {bar} about 16.4 MB of text 0 s" in found
    facts = "5,025/10,051 documents  8.2/16.4 MB  2.0 MB/s 1 min 40 s left"
    assert any(re.fullmatch(rf"examples [━╸╺]+ {facts}", frame) for frame in found)
    assert "note: [b]a line[/b]" in found
    assert "examples: done in 2 s, 9 examples" in found
    assert f"model {bar} 800 steps 0 s" in found
    facts = "step 200/800  loss 6.912  42,239 tokens/s 9 s left"
    assert any(re.fullmatch(rf"model [━╸╺]+ {facts}", frame) for frame in found)
    assert f"model {bar} step 800/800" in found
    assert found[-1] == "the end"
    assert not any("a detail" in frame for frame in found)
    assert max(map(len, found)) <= columns
    assert printed.rfind("\x1b[?25h") > printed.rfind("\x1b[?25l")  # the cursor is back


def test_without_colours() -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9;]*m")
    assert not coloured.search(on_terminal(SCRIPT, NO_COLOR="1"))
    assert coloured.search(on_terminal(SCRIPT, NO_COLOR="-"))
