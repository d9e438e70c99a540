"""All commands in one parser, and the completion that is made from it.

Typer's `--help` takes 0.8 CPU s, click's with rich 0.3 s, argparse's 0.1 s; and click has no
options with several values, such as `features --input A B`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from bertdata.terminal import CommandParser
from flows.commands import configuration, models, runs, serve, views
from flows.commands.command import Command
from flows.help.completion import SHELLS, make_completion
from flows.help.examples import examples_of


def make_parser(given: str) -> ArgumentParser:
    """All commands and their options. `given`: the one that is asked for.

    Options that need the trainer are left out, unless they are that command's or to be completed.
    """
    parser = CommandParser(
        prog="bertdata",
        description="text -> sentences -> vocabulary -> examples -> BERT, any corpus, any size",
        epilog=examples_of(""),
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        own = commands.add_parser(
            command.name,
            help=command.text,
            description=command.text,
            epilog=examples_of(command.name),
            formatter_class=RawDescriptionHelpFormatter,
        )
        own.add_argument("--debug", action="store_true", help="show tracebacks")
        own.set_defaults(command=command.run)
        if not command.needs_trainer or given in (command.name, _COMPLETION.name):
            command.add_options(own)
    return parser


def _add_completion_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def _print_completion(options: Namespace) -> int:
    from flows.config import all_keys

    parser = make_parser(_COMPLETION.name)
    print(make_completion(options.shell, parser, all_keys()), end="")
    return 0


_COMPLETION = Command(
    "completion",
    "print what completes commands in a shell",
    _add_completion_options,
    _print_completion,
)
# In the order of the help.
_COMMANDS = (
    runs.DEMO,
    configuration.INIT,
    runs.RUN,
    *runs.STAGES,
    views.VERIFY,
    views.INSPECT,
    views.DIFF,
    views.REPORT,
    views.EXPORT,
    models.FILL_MASK,
    models.FINETUNE,
    models.FEATURES,
    serve.SERVE,
    configuration.CONFIG,
    _COMPLETION,
)
