"""Lines with colours: plain text wherever there is no terminal that shows them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Self

Span = tuple[str, str]  # a text and its style, such as "bold green"; "" for none


class Styled(str):
    """A line that knows the styles of its parts. Anything but a terminal takes it as plain text."""

    spans: tuple[Span, ...]

    def __new__(cls, *spans: Span) -> Self:
        line = super().__new__(cls, "".join(text for text, _ in spans))
        line.spans = spans
        return line


def can_draw() -> bool:
    """Whether standard output is a terminal on which lines can be drawn again."""
    if sys.stdout is None or not sys.stdout.isatty():
        return False
    return os.environ.get("TERM", "dumb").lower() not in ("dumb", "unknown", "")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, with their styles on a terminal; with NO_COLOR set, without colours."""
    if not can_draw():
        for line in lines:
            print(line)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        spans = line.spans if isinstance(line, Styled) else ((line, ""),)
        console.print(Text.assemble(*spans), soft_wrap=True)
