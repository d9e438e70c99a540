"""The `bertdata` command from its first moment on: a signal gets one line, whatever is under way.

SIGTERM, Ctrl-C and a lost terminal become KeyboardInterrupt, once: what follows is ignored,
so that nothing interrupts the ending itself. Whatever has not ended by then is left after some
seconds; all processes of a run end with the one that started them.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from bertdata.import_path import leave_current_folder
from bertdata.terminal import run_command

MESSAGE = "bertdata: stopped; the same command continues where it was"
INTERRUPTED = 130
_END_SECONDS = 9.0
_MOMENT_SECONDS = 0.01
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_seen: list[int] = []


class Stopped(KeyboardInterrupt):
    """What a signal raises.

    After a KeyboardInterrupt itself that came out of `exec`, Python ends by SIGINT, caught or not.
    """


def main() -> int:
    """Run a command; its exit status."""
    for number in _SIGNALS:
        # As the caller wants it where that is to ignore it, such as nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again
    try:
        leave_current_folder()
        return run_command(_run)
    except KeyboardInterrupt:
        print(MESSAGE, file=sys.stderr, flush=True)
        return INTERRUPTED
    finally:
        _ignore_signals()
        signal.signal(signal.SIGALRM, _leave)  # what was to be said is said


def _run() -> int:
    from flows import cli

    return cli.main()


def was_stopped() -> bool:
    """Whether there was a signal: then it is behind whatever errors follow.

    Libraries make errors of their own of what it raised in their midst.
    """
    return bool(_seen)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _seen.append(number)
    _ignore_signals()
    signal.signal(signal.SIGALRM, _say_and_leave)
    signal.setitimer(signal.ITIMER_REAL, _END_SECONDS)
    raise Stopped


def _interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Where Python could raise nothing, as in a destructor, raise it a moment later."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, _MOMENT_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)


def _say_and_leave(number: int, frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), f"{MESSAGE}\n".encode())
    os._exit(INTERRUPTED)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
