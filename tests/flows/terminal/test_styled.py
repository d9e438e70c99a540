"""Lines with styles are plain text wherever no terminal shows them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flows.terminal.styled import Styled, can_draw, print_lines

LINE = Styled(("[MASK]", "bold red"), (" and the rest", ""))
PRINT = (
    "from flows.terminal.styled import Styled, print_lines; "
    'print_lines([Styled(("[MASK]", "red"), (" and " + "long " * 30, "")), "[b]plain"])'
)


def test_a_line_is_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert LINE == "[MASK] and the rest"
    assert LINE.spans == (("[MASK]", "bold red"), (" and the rest", ""))
    print_lines([LINE, "plain"])
    assert capsys.readouterr().out == "[MASK] and the rest\nplain\n"
    assert not can_draw()


def on_terminal(code: str, **environment: str) -> str:
    """What a program prints on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    given = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    given = {name: value for name, value in given.items() if value != "-"}
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=theirs, env=given, cwd=root) as process:
        os.close(theirs)
        printed = b""
        # The end is an error of Linux's once nobody has the other side open.
        while block := _read(ours):
            printed += block
        assert process.wait(30) == 0
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""


def test_colours_on_a_terminal() -> None:
    printed = on_terminal(PRINT, NO_COLOR="-")
    assert printed == f"\x1b[31m[MASK]\x1b[0m and {'long ' * 30}\n[b]plain\n"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "-"}])
def test_no_colours_where_none_are_wanted(setting: dict[str, str]) -> None:
    assert on_terminal(PRINT, **setting) == f"[MASK] and {'long ' * 30}\n[b]plain\n"
