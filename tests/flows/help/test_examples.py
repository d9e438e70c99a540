"""The examples in `--help`: each command has some, and they are commands."""

from __future__ import annotations

import re
import shlex

import pytest

from flows.commands.parser import make_parser
from flows.help.completion import _commands
from flows.help.examples import _EXAMPLES

COMMANDS = _commands(make_parser("completion"))


def test_each_command_has_examples() -> None:
    assert set(_EXAMPLES) == {"", *COMMANDS}


@pytest.mark.parametrize("line", [line for lines in _EXAMPLES.values() for line in lines])
def test_examples_are_commands(line: str) -> None:
    given = re.split(r" {3}| >> ", line)[0]
    make_parser("completion").parse_args(shlex.split(given))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_them(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        make_parser(command).parse_args([command, "--help"])
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith(f"  bertdata {_EXAMPLES[command][-1]}")
