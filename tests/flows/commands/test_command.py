"""What a command is, and what the parser makes of each."""

from __future__ import annotations

import argparse
from dataclasses import FrozenInstanceError, replace

import pytest

from bertdata.terminal import CommandParser
from flows.commands import parser
from flows.commands.command import Command


def _add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("status", type=int)


EXIT = Command("exit", "end with a status", _add_options, lambda options: int(options.status))


def test_a_command_adds_its_options_and_runs_with_them() -> None:
    parser = CommandParser(prog="bertdata exit")
    EXIT.add_options(parser)
    assert EXIT.run(parser.parse_args(["3"])) == 3
    with pytest.raises(SystemExit):
        parser.parse_args([])


def test_a_command_does_without_the_trainer_and_never_changes() -> None:
    assert not EXIT.needs_trainer
    with pytest.raises(FrozenInstanceError):
        EXIT.name = "other"  # type: ignore[misc]


def test_the_parser_runs_the_command_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(EXIT, name="config")  # of which there are examples for the help
    monkeypatch.setattr(parser, "_COMMANDS", (config,))
    options = parser.make_parser("config").parse_args(["config", "--debug", "4"])
    assert (options.command(options), options.debug) == (4, True)
    assert "end with a status" in parser.make_parser("").format_help()


def test_commands_have_names_and_texts_of_their_own() -> None:
    names = [command.name for command in parser._COMMANDS]
    texts = [command.text for command in parser._COMMANDS]
    assert len(set(names)) == len(set(texts)) == len(names)
    assert [name for name, command in zip(names, parser._COMMANDS) if command.needs_trainer] == [
        "finetune",
        "features",
    ]
