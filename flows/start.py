"""The start of the `bertdata` command, before its other modules are imported."""

from __future__ import annotations

import gc
import sys
import warnings

from bertdata.import_path import leave_current_folder
from flows.processes.signals import (
    MESSAGE,
    Stopped,
    catch_signals,
    finish,
    stopped_status,
    was_stopped,
)

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
        from bertdata.terminal import run_command  # which imports more; not from that folder

        status = run_command(_run)
        if status == 0 and was_stopped():
            raise Stopped  # a library lost it
        return status
    except KeyboardInterrupt:
        print(MESSAGE, file=sys.stderr, flush=True)
        return stopped_status()
    finally:
        finish()


def _run() -> int:
    from flows import cli

    return cli.main()
