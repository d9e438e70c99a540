"""The start of the `bertdata` command, before its other modules are imported."""

from __future__ import annotations

import gc
import sys
import warnings

from bertdata.import_path import leave_current_folder
from bertdata.terminal import run_command
from flows.processes.signals import MESSAGE, catch_signals, finish, stopped_status

# Imports make many objects and little garbage; Python would look for it after each 700 of them.
_OBJECTS = 100_000


def main() -> int:
    """Run a command; returns its exit status."""
    gc.set_threshold(_OBJECTS)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' words to programmers, such as of old names
    catch_signals()
    try:
        leave_current_folder()
        return run_command(_run)
    except KeyboardInterrupt:
        print(MESSAGE, file=sys.stderr, flush=True)
        return stopped_status()
    finally:
        finish()


def _run() -> int:
    from flows import cli

    return cli.main()
