"""Signals that end a command: it prints one line, whatever it is doing.

SIGTERM, Ctrl-C and a lost terminal raise KeyboardInterrupt once. Later signals are ignored, so that
they do not interrupt the cleaning up. If that takes too long, the process exits after some seconds;
all processes of a run end with the one that started them. The exit status is that of a program that
the signal ended, as shells report it: 143 for SIGTERM, 130 for Ctrl-C.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from types import FrameType

MESSAGE = "bertdata: stopped; the same command continues where it was"
_END_SECONDS = 9.0
_MOMENT_SECONDS = 0.01
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_caught: list[signal.Signals] = []
_seen: list[int] = []


class Stopped(KeyboardInterrupt):
    """What a signal raises.

    Not KeyboardInterrupt itself: once that comes out of `exec`, Python ends by SIGINT even if it is
    caught.
    """


def catch_signals() -> None:
    """Turn the first signal that ends a process into KeyboardInterrupt.

    To be called before anything registers what it does at exit.
    """
    # A signal that the caller ignores, as nohup does, stays ignored.
    _caught.extend(n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN)
    catch_again()
    sys.unraisablehook = _interrupt_again
    atexit.register(_leave)  # what is registered first is called last


def catch_again() -> None:
    """Take back signals that were caught here and that a library has taken over since."""
    if not was_stopped():
        for number in _caught:
            signal.signal(number, _interrupt)


def finish() -> None:
    """Ignore further signals; once the time limit is reached, exit without finishing.

    Python forgets its own handlers while it ends, and a timer's signal would end it then.
    """
    _ignore_signals()
    seconds, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    if seconds:
        timer = threading.Timer(seconds, os._exit, (stopped_status(),))  # the message was printed
        timer.daemon = True
        timer.start()


def stopped_status() -> int:
    """The exit status of a command that was stopped."""
    return 128 + (_seen[0] if _seen else signal.SIGINT)


def was_stopped() -> bool:
    """Whether there was a signal: then it is the cause of any error that follows.

    Libraries turn the exception into errors of their own.
    """
    return bool(_seen)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _seen.append(number)
    _ignore_signals()
    _raise_again(number, frame)


def _raise_again(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGALRM, _report_and_exit)
    signal.setitimer(signal.ITIMER_REAL, _END_SECONDS)
    raise Stopped


def _interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Where Python cannot raise, as in a destructor, raise a moment later."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _raise_again)
        signal.setitimer(signal.ITIMER_REAL, _MOMENT_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)


def _leave() -> None:
    """Exit without taking libraries apart, if there was a signal: it may have cut off an import."""
    if was_stopped():
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(stopped_status())


def _report_and_exit(number: int, frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), f"{MESSAGE}\n".encode())
    os._exit(stopped_status())


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
