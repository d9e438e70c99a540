"""Flags made from a configuration, exit codes, lines of numbers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

import pytest

from bertdata.errors import BertdataError, ConfigError
from trainer.command import add_flags, exit_code, print_numbers, take_config


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Some options."""

    batch_size: int = 8
    """Rows per step, 100% of them."""
    rate: float = 0.5
    """The rate."""
    column: str | None = None
    """A column."""
    layers: tuple[int, ...] = (-1,)
    """Layers."""
    header: bool = True
    """Whether there is a header."""
    unit: Literal["document", "sentence"] = "document"
    """What has a row."""
    score: str = ""
    """What chooses."""


def parse(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="test")
    parser.add_argument("--output")
    add_flags(parser, Options, choices={"score": ("f1", "loss")}, names={"unit": "by"})
    return vars(parser.parse_args(arguments))


def test_every_key_has_a_flag() -> None:
    given = parse("--batch_size=3", "--rate=1", "--layers=0,-1", "--no-header", "--by=sentence")
    expected = Options(batch_size=3, rate=1.0, layers=(0, -1), header=False, unit="sentence")
    assert take_config(Options, given) == expected
    assert given == {"output": None}
    assert take_config(Options, parse("--batch-size=3", "--column=a")).column == "a"
    assert take_config(Options, parse()) == Options()


def test_help_has_the_sentence_and_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--batch-size N Rows per step, 100% of them. (8)" in shown
    assert "--batch_size" not in shown
    assert "--by {document,sentence} What has a row. (document)" in shown


def test_values_of_the_wrong_kind_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--batch-size=x", "--layers=1,x", "--by=page", "--score=f2"):
        with pytest.raises(SystemExit) as stopped:
            parse(flag)
        assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "--layers: must be whole numbers with commas between, such as 1,2; got '1,x'" in said
    assert "invalid choice: 'page'" in said


def test_errors_are_one_line_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BertdataError) -> int:
        raise error

    assert exit_code(lambda: 0) == 0
    assert exit_code(lambda: fail(ConfigError("wrong"))) == 2
    assert exit_code(lambda: fail(BertdataError("failed"))) == 1
    assert capsys.readouterr().err == "error: wrong\nerror: failed\n"


def test_numbers_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_numbers({"step": 10, "mlm_loss": 6.54321, "nsp_loss": None})
    assert capsys.readouterr().out == "step 10  mlm loss 6.543  nsp loss -\n"
