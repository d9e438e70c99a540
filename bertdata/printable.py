"""Names and messages made safe to print: valid UTF-8, on one line."""

from __future__ import annotations

import re

# Controls, line and paragraph separators, halves of surrogate pairs (bytes of names not in UTF-8).
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


def printable(text: str) -> str:
    r"""The text with each control character and lone surrogate as an escape.

    printable("a\nb") -> r"a\nb"
    """
    return _UNPRINTABLE.sub(_spell_out, text)


def _spell_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
