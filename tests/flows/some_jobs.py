"""Functions for jobs: what a stage may do, within a moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bertdata import errors
from pipelines.workers.pool import open_pool

Say = Callable[[str], None]


def speak(lines: list[str], say: Say) -> int:
    """Say some lines; returns how many."""
    for line in lines:
        say(line)
    return len(lines)


def speak_slowly(count: int, seconds: float, say: Say) -> int:
    """Say so many lines, with so much time between them; returns how many."""
    for number in range(count):
        time.sleep(seconds)
        say(str(number))
    return count


def fail(name: str, message: str, say: Say) -> NoReturn:
    """Raise an error by its name: one of bertdata's own or one of Python's."""
    kind = getattr(errors, name, ValueError)
    raise kind(message)


def die(number: int, say: Say) -> None:
    """Be killed by a signal."""
    os.kill(os.getpid(), number)


def leave(status: int, say: Say) -> None:
    """Exit without a result."""
    os._exit(status)


def print_lines(say: Say) -> None:
    """Print, in Python and in a process of its own."""
    print("to stdout")
    print("to stderr", file=sys.stderr)
    subprocess.run(["echo", "of a child"], check=True)


def look(say: Say) -> dict[str, object]:
    """What a job finds around itself."""
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "main": getattr(sys.modules["__main__"], "__file__", None),
    }


def wait_with_workers(count: int, say: Say) -> None:
    """Say "ready" once there are workers and a socket folder, then wait for a minute."""
    with open_pool(count):
        say("ready")
        time.sleep(60)


def be_in_a_callback(say: Say) -> None:
    """Say "ready" where Python ignores exceptions, then wait for a minute."""

    class Waiting:
        def __del__(self) -> None:
            say("ready")
            time.sleep(60)

    Waiting()
    time.sleep(60)


def be_stubborn(say: Say) -> None:
    """Wait for a minute, and never mind signals that can be ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("ready")
    time.sleep(60)
