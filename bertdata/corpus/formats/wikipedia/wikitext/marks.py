"""Marks in the text while it is being cleaned. XML forbids them, so no page has any."""

from __future__ import annotations

import re

# Text of unknown content was removed: a template, a formula, a file, a reference.
GAP = "\x02"
# Something that shows no text was removed: a category, a link to another language.
SEAM = "\x01"
# A border that shows nothing, such as a tag: it separates the apostrophes on its sides.
JOINT = "\x03"
# A line ends on the page but not in the wikitext: <br>, <p>.
BREAK = "\x04"
# Around the label of a link, whose ''quotes'' are balanced on their own.
LABEL, LABEL_END = "\x05", "\x06"

ANY_MARK = re.compile("[\x01-\x06]")

# Characters with a meaning in wikitext are replaced by private ones until the end.
_FIRST_PRIVATE = 0xF0000
_PROTECTED = "[]{}|'=<>*#:;&_"
_PROTECT = {ord(char): _FIRST_PRIVATE + number for number, char in enumerate(_PROTECTED)}
_PRIVATE = re.compile(f"[{chr(_FIRST_PRIVATE)}-{chr(_FIRST_PRIVATE + len(_PROTECTED) - 1)}]")
_APOSTROPHE = chr(_PROTECT[ord("'")])


def protect(text: str) -> str:
    """The text, with all its characters protected from being markup."""
    return text.translate(_PROTECT)


def protect_apostrophes(text: str) -> str:
    """The text, with its apostrophes protected from being markup."""
    return text.replace("'", _APOSTROPHE)


def unprotect(text: str) -> str:
    """The text with its original characters."""
    return _PRIVATE.sub(lambda match: _PROTECTED[ord(match[0]) - _FIRST_PRIVATE], text)
