"""Output of commands: any terminal can show it, and its reader may stop early, as `head` does."""

from __future__ import annotations

import gc
import io
import os
import select
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import NoReturn

from bertdata.errors import BertdataError, ConfigError

# The exit status of a program that SIGPIPE ended.
READER_GONE = 141


class CommandParser(ArgumentParser):
    """A parser of command lines; what is wrong with one is a single line, as all errors are."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where all options are shown, and exit with status 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def run_command(main: Callable[[], int]) -> int:
    """Run the main function of a command; returns its exit status.

    Characters that the terminal's encoding lacks are printed as escapes, such as `\\u2026`. When
    the reader of standard output has stopped, as with `| head`, the command ends silently.
    """
    _escape_output()
    try:
        try:
            return main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
            gc.freeze()  # what is left ends with the process; none of it need be looked at
    except BrokenPipeError:
        if not is_reader_gone():
            raise
        # Python flushes standard output again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def exit_status(error: BertdataError) -> int:
    """The exit status of a command that an error ended: 2 wrong usage or configuration, 1 else."""
    return 2 if isinstance(error, ConfigError) else 1


def _escape_output() -> None:
    """Make standard output and error escape characters that their encodings lack."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_reader_gone() -> bool:
    """Whether standard output is a pipe or connection whose reader has closed it."""
    if sys.stdout is None or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
