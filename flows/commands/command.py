"""What a command is: a name, a text for the help, its options, and a function."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `bertdata`.

    `text`: what it does, for the help. `add_options`: adds its arguments to its parser. `run`: does
    the work and returns the exit status. `needs_trainer`: whether `add_options` imports trainer.
    """

    name: str
    text: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    needs_trainer: bool = False
