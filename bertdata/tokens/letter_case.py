"""Whether a vocabulary was made from text with capital letters.

A vocabulary that was made from lower-cased text has no piece with a capital, but for oddities such
as "<S>"; one that was made from text as written has them among a sixth of its pieces and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MANY_PIECES = 20
_FEW_PIECES = 3
_MIN_SHARE = 0.01
_MARK = re.compile(r"[\[<].+[\]>]")  # such as [CLS] or <S>: not from text


def is_cased(pieces: Iterable[str]) -> bool:
    """Whether many of the pieces have capital letters, so that lower-casing would waste them."""
    words = [piece for piece in pieces if not _MARK.fullmatch(piece)]
    capitals = sum(word != word.lower() for word in words)
    return capitals >= _MANY_PIECES or capitals >= max(_FEW_PIECES, _MIN_SHARE * len(words))


def is_uncased(pieces: Iterable[str]) -> bool:
    """Whether no piece has capital letters, though its script has them."""
    words = [piece for piece in pieces if not _MARK.fullmatch(piece)]
    small = sum(word != word.upper() for word in words)
    return small >= _MANY_PIECES and not is_cased(words)
