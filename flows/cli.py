"""The `bertdata` command. Heavy libraries are imported by the commands that use them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bertdata.terminal import is_reader_gone
from flows.commands.errors import report_error
from flows.commands.parser import make_parser
from flows.processes.signals import Stopped, was_stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 the work failed or a check found something, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = make_parser("".join(given[:1]))
    options = parser.parse_args(given, argparse.Namespace(arguments=given[1:]))
    try:
        return int(options.command(options))
    except Exception as error:
        if was_stopped():
            raise Stopped from error
        if isinstance(error, BrokenPipeError) and is_reader_gone():
            raise
        return report_error(error, options.debug)
