"""The commands that make a run: `demo`, `run` and the four stages."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bertdata.storage.locations import locate
from flows.commands.command import Command
from flows.commands.configuration import add_set
from flows.commands.flow import run_flow

if TYPE_CHECKING:
    from flows.terminal.view import View

_NEXT = {"sentences": "vocab", "vocab": "examples", "examples": "train"}


def _add_options(parser: ArgumentParser) -> None:
    """The options of every run."""
    parser.add_argument(
        "--output",
        type=locate,
        metavar="DIR",
        help="folder for the results, also s3://bucket/folder (runs/<config name>)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    shown.add_argument(
        "--json", action="store_true", help="print what happens as JSON, an object a line"
    )
    add_set(parser)


def _add_config_and_options(parser: ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    _add_options(parser)


def _run_demo(options: Namespace) -> int:
    from flows.config import DEMO_CONFIG

    options.config = DEMO_CONFIG
    return _run_everything(options)


def _run_everything(options: Namespace) -> int:
    from flows.views.summary import summary_lines

    view = _choose_view(options)
    output = run_flow("run", options, view)
    view.end(output, summary_lines(output, view.seconds))
    return 0


def _run_stage(stage: str, options: Namespace) -> int:
    view = _choose_view(options)
    output = run_flow(stage, options, view)
    lines = [f"{stage}: done, in {output}"]
    if stage in _NEXT:
        lines.append(f"next        {_command_of(_NEXT[stage], options)}")
    view.end(output, lines)
    return 0


def _command_of(stage: str, options: Namespace) -> str:
    """The command that makes another stage of the same run."""
    import shlex

    given = ["--output", str(options.output)] if options.output else []
    given += [part for override in options.set for part in ("--set", override)]
    return shlex.join(["bertdata", stage, str(options.config), *given])


def _choose_view(options: Namespace) -> View:
    """Who shows the run: lines in a pipe or file, a live line on a terminal, or as asked for."""
    from flows.terminal.styled import can_draw
    from flows.terminal.view import JsonView, QuietView, View

    if options.quiet or options.json:
        return QuietView() if options.quiet else JsonView()
    if not can_draw():
        return View()
    from flows.terminal.live import LiveView

    return LiveView()


def _stage(name: str, text: str) -> Command:
    return Command(name, text, _add_config_and_options, partial(_run_stage, name))


DEMO = Command("demo", "the whole run on the built-in English demo corpus", _add_options, _run_demo)
RUN = Command(
    "run",
    "the whole run: sentences, vocab, examples, train",
    _add_config_and_options,
    _run_everything,
)
STAGES = (
    _stage("sentences", "split the corpora into sentences"),
    _stage("vocab", "count words and train the vocabulary"),
    _stage("examples", "write the MLM/NSP examples"),
    _stage("train", "pre-train BERT on the examples"),
)
