"""Commands that make a run: what they say to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from flows.commands.parser import make_parser
from flows.commands.runs import _command_of


@pytest.mark.parametrize("output", [[], ["--output", "s3://bucket/my run"]])
def test_the_next_command_has_the_options_of_this_one(output: list[str]) -> None:
    given = ["my texts.toml", *output, "--set", "seed=8", "--set", "vocab.size=60"]
    options = make_parser("sentences").parse_args(["sentences", *given])
    assert options.config == Path("my texts.toml")
    assert shlex.split(_command_of("vocab", options)) == ["bertdata", "vocab", *given]
