"""Pages that would cost a parser of HTML much more than their size, found before they cost it.

Some steps of the parser and of the extraction take time, and memory, that grows with the square of
a page: all elements around each element, all formatting elements that were never closed, which
every later paragraph repeats, all attributes of one tag, all options of one list. Each is counted
here in one pass over the tags; what is unclear, such as markup inside a picture, counts as the more
expensive. Ordinary pages stay far below all limits.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

_SMALL_PAGE_BYTES = 1 << 9
_MAX_DEPTH, _MIN_MAX_DEPTH = 512, 128  # browsers stop at 512
_MAX_PRODUCT = 4 << 20  # of depth and tags: a longer page may be less deep
_MAX_ATTRIBUTES = 1000
_MAX_WORDS = 10_000  # that may be attributes, or a program between < and >
_MAX_OPTIONS = 4000
# Formatting elements, counted at each tag before which they are unclosed: at most, and per letter.
_MAX_REPEATED, _MAX_REPEATED_PER_LETTER = 1 << 19, 4
_LOOKED_AT = 64  # unclosed elements that an end tag may mean

_SPACE = r"\t\n\f\r "
_ATTRIBUTE = (
    rf"[^{_SPACE}/>][^{_SPACE}/>=]*+"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:\"[^\"]*+\"|'[^']*+'|[^{_SPACE}>\"'][^{_SPACE}>]*+|(?=>)))?+"
)
# Tags, comments and declarations end where they end in browsers.
_COMMENT = r"!--(?:-?>|(?:[^-]++|-(?!-!?>))*+(?:--!?>)?)|[!?][^>]*+>?"
_TOKEN = re.compile(
    rf"<(?:(?P<end>/?)(?P<name>[a-zA-Z][^{_SPACE}/>]*+)"
    rf"(?P<attributes>(?:[{_SPACE}/]*+{_ATTRIBUTE})*+)[{_SPACE}/]*+>|{_COMMENT}|/[^>]*+>?)"
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)

_FORMATTING = frozenset(
    ["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
_MAX_EQUAL = 3  # unclosed elements with equal tags that are repeated
# An end tag does not reach an element around one of these.
_BORDERS = frozenset(
    (
        *("applet", "button", "caption", "html", "marquee", "math", "object", "select", "svg"),
        *("table", "td", "template", "th"),
    )
)
# What is inside them is text, but not if they are in a picture, a formula or a list of options.
_LITERAL = frozenset(
    ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"]
)
_LITERAL_ENDS = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE) for name in _LITERAL}
_UNCLEAR = frozenset(("math", "select", "svg"))
_MERGED = frozenset(("html", "body"))  # later ones add their attributes to the first
_NOTED = "|".join(sorted(_LITERAL | _UNCLEAR | _MERGED))
# All up to a tag that matters on a page with few formatting elements and options.
_PASSED = re.compile(
    rf"(?:[^<]++|<(?![a-zA-Z/!?])|<(?:(?:/|(?=[^bhimnstx])|(?!(?:{_NOTED})[{_SPACE}/>]))"
    rf"[a-zA-Z][^{_SPACE}/>]*+(?:[{_SPACE}/]*+{_ATTRIBUTE}){{0,{_MAX_ATTRIBUTES}}}+[{_SPACE}/]*+>"
    rf"|{_COMMENT}))*+",
    re.IGNORECASE,
)
_NOTHING = re.compile("")
_COSTLY = re.compile(
    rf"<(?:(option)|{'|'.join(sorted(_FORMATTING))})(?=[{_SPACE}/>])", re.IGNORECASE
)
_CLOSED = _BORDERS | _FORMATTING
_SCRIPT = re.compile("<script", re.IGNORECASE)


def find_excess(html: str) -> str:
    """What is too much in a page before it is parsed, in words; "" for an ordinary page."""
    if len(html) < _SMALL_PAGE_BYTES:
        return ""
    max_repeated = min(_MAX_REPEATED, _MAX_REPEATED_PER_LETTER * len(html))
    counts = _Counts(max_repeated)
    costly = _COSTLY.findall(html)
    is_plain = len(costly) * html.count("<") <= max_repeated and len(costly) <= _MAX_OPTIONS
    counts.read(html, _PASSED if is_plain else _NOTHING)
    return counts.excess


def is_deep(tree: HTMLTree, html: str) -> bool:
    """Whether a parsed page has elements inside too many others."""
    allowed = _MAX_PRODUCT // max(1, html.count("<"))
    depth = min(_MAX_DEPTH, max(_MIN_MAX_DEPTH, allowed))
    assert tree.document is not None  # every parsed page has one
    return tree.document.query_selector(">".join("*" * (depth + 1))) is not None


def _search(html: str, position: int, stop: int, passed: re.Pattern[str]) -> re.Match[str] | None:
    begin = passed.match(html, position, stop)
    return _TOKEN.search(html, begin.end() if begin else position, stop)


class _Counts:
    """Counts of one page; `excess` is the first that is too much, or ""."""

    def __init__(self, max_repeated: int) -> None:
        self.excess = ""
        self._max_repeated = max_repeated
        self._unclosed: list[str] = []  # formatting elements by their tags, borders by "/name"
        self._formatting = 0  # of the unclosed
        self._equal = Counter[str]()
        self._repeated = 0
        self._options = 0
        self._page_attributes = 0
        self._is_unclear = False
        self._trusts_ends = True

    def read(self, html: str, passed: re.Pattern[str]) -> None:
        """Count the tags, except those in what `passed` matches."""
        stop = html.rfind(">") + 1  # what follows is no tag
        position = 0
        while not self.excess and (token := _search(html, position, stop, passed)):
            position = token.end()
            if token["name"] is None:
                continue
            name = token["name"].lower()
            if token["end"]:
                self._end(name)
                continue
            self._begin(name, token["attributes"], _MAX_ATTRIBUTES)
            if name in _LITERAL:
                position = self._pass_literal(html, name, position)

    def _begin(self, name: str, attributes: str, max_attributes: int) -> None:
        self._repeated += self._formatting
        if self._repeated > self._max_repeated:
            self.excess = "too many elements without an end, which every paragraph repeats"
        if len(attributes) > max_attributes or name in _MERGED:
            self._count_attributes(name, attributes, max_attributes)
        self._is_unclear = self._is_unclear or name in _UNCLEAR
        self._count_options(name)
        if name in _BORDERS:
            self._unclosed.append(f"/{name}")
        elif name in _FORMATTING:
            self._leave_open(f"{name} {attributes}")

    def _count_attributes(self, name: str, attributes: str, max_attributes: int) -> None:
        count = sum(1 for _ in _ATTRIBUTES.finditer(attributes))
        if name in _MERGED:
            count = self._page_attributes = self._page_attributes + count
        if count > max_attributes:
            self.excess = f"a tag with over {max_attributes:,} attributes"

    def _count_options(self, name: str) -> None:
        if name == "select":
            self._options = 0
        self._options += name == "option"
        if self._options > _MAX_OPTIONS:
            self.excess = f"a list of over {_MAX_OPTIONS:,} options"

    def _leave_open(self, tag: str) -> None:
        if self._equal[tag] < _MAX_EQUAL:
            self._equal[tag] += 1
            self._formatting += 1
            self._unclosed.append(tag)

    def _end(self, name: str) -> None:
        """Close the last border of this name, or the last formatting element inside all borders."""
        if not self._trusts_ends or name not in _CLOSED:
            return
        last = len(self._unclosed) - 1
        for index in range(last, max(-1, last - _LOOKED_AT), -1):
            tag = self._unclosed[index]
            if tag == f"/{name}":
                del self._unclosed[index]
                return
            if name in _FORMATTING and tag.startswith("/"):
                return
            if tag.startswith(f"{name} "):
                del self._unclosed[index]
                self._equal[tag] -= 1
                self._formatting -= 1
                return

    def _pass_literal(self, html: str, name: str, start: int) -> int:
        """Where an element whose content is text ends."""
        found = _LITERAL_ENDS[name].search(html, start)
        stop = found.start() if found else len(html)
        comment = html.find("<!--", start, stop) if name == "script" else -1
        if comment >= 0 and _SCRIPT.search(html, comment, stop):
            self._trusts_ends = False  # the script may go on
        if self._is_unclear:
            self._count_unclear(html, start, stop)
        return stop

    def _count_unclear(self, html: str, start: int, stop: int) -> None:
        """Count what may be tags or program text."""
        if html.find("<!", start, stop) >= 0:
            self._trusts_ends = False  # a comment may go on
        for token in _TOKEN.finditer(html, start, html.rfind(">", start, stop) + 1):
            if token["name"] and not token["end"]:
                self._begin(token["name"].lower(), token["attributes"], _MAX_WORDS)
