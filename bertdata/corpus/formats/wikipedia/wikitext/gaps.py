"""The text on both sides of something that was removed.

Separate words of the page are never joined: a gap between two words becomes a space, unless their
scripts have no spaces. Brackets and separators left over around a gap, as in `(; , Akhilleus, )`,
are removed with it; the marks distinguish them from the author's own.
"""

from __future__ import annotations

import re
import unicodedata

from bertdata.corpus.formats.wikipedia.wikitext.marks import GAP, SEAM

_MARKS = re.compile(f"([{GAP}{SEAM}]+)")
_SEPARATORS = " \t\n,;:、，；："
_OPENING, _CLOSING = ("(", "（"), (")", "）")
_STOPS = (",", ".", ";", ")", "]", "，", "。", "；", "、", "）")
# A word also begins after these.
_ENDINGS = frozenset(".,;:!?)]%°…")
# Chinese, Japanese, Thai, Lao, Burmese and Khmer are written without spaces between words.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


def close_gaps(text: str) -> str:
    """The text without the marks of removed parts."""
    first, *rest = _MARKS.split(text)
    pieces = [first]
    for marks, piece in zip(rest[::2], rest[1::2]):
        left, right = _join(pieces[-1], piece)
        pieces[-1] = left
        if not left and len(pieces) > 1:
            pieces.pop()
        if GAP in marks and _would_join_words(pieces[-1], right):
            pieces.append(" ")
        if right:
            pieces.append(right)
    return "".join(pieces)


def _would_join_words(left: str, right: str) -> bool:
    before, after = left[-1:], right[:1]
    if not before or not after.isalnum():
        return False
    if _WITHOUT_SPACES.match(before) or _WITHOUT_SPACES.match(after):
        return False
    return before in _ENDINGS or unicodedata.category(before)[0] in "LNM"


def _join(left: str, right: str) -> tuple[str, str]:
    """The text before and after a mark, as it reads without the mark."""
    before, after = left.rstrip(" \t"), right.lstrip(" \t")
    if before.endswith(_OPENING):
        after = right.lstrip(_SEPARATORS)
        if not after.startswith(_CLOSING):
            return before, after
        before, after = before[:-1], after[1:]
        return (before.rstrip(" \t") if after.startswith(_STOPS) else before), after
    beyond = after.lstrip(_SEPARATORS)
    if beyond.startswith(_CLOSING):
        return before.rstrip(_SEPARATORS), beyond
    if after.startswith(_STOPS):
        return (before[:-1] if before.endswith((",", ";", "，", "；")) else before), after
    if len(before) < len(left) and len(after) < len(right):
        return left, after
    return left, right
