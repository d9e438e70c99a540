"""Signals that end a command: one line is shown, whatever is under way.

SIGTERM, Ctrl-C and a lost terminal become KeyboardInterrupt, once: signals that follow are ignored,
so that nothing interrupts the ending itself. If the ending takes too long, the process leaves
after some seconds; all processes of a run end with the one that started them.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

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


def catch_signals() -> None:
    """Turn the first signal that ends a process into KeyboardInterrupt."""
    for number in _SIGNALS:
        # A signal that the caller ignores, as nohup does, stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again


def finish() -> None:
    """Ignore further signals; what a started ending leaves undone by its time limit is left."""
    _ignore_signals()
    signal.signal(signal.SIGALRM, _leave)  # the message has been shown


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
