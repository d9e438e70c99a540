"""Whether a vocabulary was made from text with capital letters.

A vocabulary made from lower-cased text has no pieces with capital letters, except for oddities such
as "<S>"; in a vocabulary made from unchanged text a sixth of the pieces or more have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MANY_PIECES = 20
_FEW_PIECES = 3
_MIN_SHARE = 0.01
_MARK = re.compile(r"[\[<].+[\]>]")  # such as [CLS] or <S>, which do not come from text


def is_cased(pieces: Iterable[str]) -> bool:
    """Whether many of the pieces have capital letters, so that lower-casing would waste them."""
    words = [piece for piece in pieces if not _MARK.fullmatch(piece)]
    capitals = sum(word != word.lower() for word in words)
    return capitals >= _MANY_PIECES or capitals >= max(_FEW_PIECES, _MIN_SHARE * len(words))


def is_uncased(pieces: Iterable[str]) -> bool:
    """Whether hardly any piece has capital letters, although the script has them."""
    words = [piece for piece in pieces if not _MARK.fullmatch(piece)]
    small = sum(word != word.upper() for word in words)
    return small >= _MANY_PIECES and not is_cased(words)
