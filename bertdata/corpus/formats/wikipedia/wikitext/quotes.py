"""Apostrophes that are markup: ''italic'' and '''bold''', resolved as MediaWiki does.

Runs of two, three and five apostrophes open or close italics, bold and both. In runs of four, and
of more than five, the first ones are text. If a line ends with both bold and italics open, the
first apostrophe of one run of three is text, as in dell'''Altofiume'': the first such run after a
single letter, or else after a longer word, or else after a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertdata.corpus.formats.wikipedia.wikitext.marks import (
    JOINT,
    LABEL,
    LABEL_END,
    protect_apostrophes,
)

_RUN = re.compile("'{2,}")
_LABEL = re.compile(f"{LABEL}([^{LABEL}{LABEL_END}\n]*+){LABEL_END}")
_ITALIC, _BOLD, _BOTH = 2, 3, 5


def remove_quotes(text: str) -> str:
    """The text without '' and '''; apostrophes that MediaWiki would show are kept.

    The labels of links are resolved on their own. Marks of labels and joints are removed.

    remove_quotes("dell'''Altofiume'' e l''''arpa'''") -> "dell'Altofiume e l'arpa"
    """
    lines = [_resolve_line(line) if "''" in line else line for line in text.split("\n")]
    text = "\n".join(lines).replace(JOINT, "")
    return text.replace(LABEL, "").replace(LABEL_END, "") if LABEL in text else text


def _resolve_line(line: str) -> str:
    if LABEL in line:
        line = _LABEL.sub(_resolve_label, line)
    return _resolve(line)


def _resolve_label(match: re.Match[str]) -> str:
    return f"{JOINT}{protect_apostrophes(_resolve(match[1]))}{JOINT}"


def _resolve(line: str) -> str:
    runs = [len(run) for run in _RUN.findall(line)]
    markup = [_find_markup(length) for length in runs]
    if runs == markup and not _is_unbalanced(markup):
        return _RUN.sub("", line)
    literal = [length - used for length, used in zip(runs, markup)]
    before, *rest = _RUN.split(line)
    texts = [before, *rest]
    shown = [text + "'" * count for text, count in zip(texts, literal)]
    if _is_unbalanced(markup):
        number = _find_apostrophe(shown, markup)
        if number is not None:
            shown[number] += "'"
    return "".join(shown) + texts[-1]


def _find_markup(length: int) -> int:
    """The number of apostrophes of a run that are markup."""
    if length >= _BOTH:
        return _BOTH
    return min(length, _BOLD)


def _is_unbalanced(markup: Sequence[int]) -> bool:
    both = markup.count(_BOTH)
    return (markup.count(_BOLD) + both) % 2 == 1 and (markup.count(_ITALIC) + both) % 2 == 1


def _find_apostrophe(texts: Sequence[str], markup: Sequence[int]) -> int | None:
    """The run of three that is an apostrophe and italics, found by the text before each run."""
    first: dict[str, int] = {}
    for number, used in enumerate(markup):
        if used == _BOLD:
            first.setdefault(_ending(texts[number]), number)
    return next((first[kind] for kind in ("letter", "word", "space") if kind in first), None)


def _ending(text: str) -> str:
    """Whether a text ends with a space, a single letter or something longer."""
    if text.endswith(" "):
        return "space"
    return "letter" if text[-2:-1] == " " else "word"
