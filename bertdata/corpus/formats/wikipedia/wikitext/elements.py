"""Comments, nowiki, and the tags of HTML and of MediaWiki's extensions."""

from __future__ import annotations

import re

from bertdata.corpus.formats.wikipedia.wikitext.marks import BREAK, GAP, JOINT, SEAM, protect

# The one that begins first wins: markup inside the other is text.
_LITERAL = re.compile(
    r"<!--.*?(?:-->|\Z)|<nowiki\s*+>(.*?)(?:</nowiki\s*+>|\Z)", re.DOTALL | re.IGNORECASE
)

# Elements whose content is not prose, and those of them that show nothing at their place.
_REMOVED_ELEMENTS = (
    "ref|references|math|chem|ce|gallery|timeline|score|syntaxhighlight|source|pre|table|imagemap|"
    "hiero|graph|mapframe|maplink|inputbox|templatestyles|templatedata|includeonly|style|script|"
    "categorytree|indicator|section|charinsert"
)
_INVISIBLE_ELEMENTS = frozenset(("templatestyles", "includeonly", "indicator", "section"))
_ELEMENT_TAG = re.compile(rf"<(/?)({_REMOVED_ELEMENTS})(?=[\s/>])([^<>]*+)>", re.IGNORECASE)

# The reading of a character, beside or above it in <ruby>; the end tag is optional.
_READING = re.compile(
    r"<(rp|rtc?)(?:\s[^<>]*+)?+>(?:[^<\n]++|<(?!/?(?:ruby|rb|rp|rtc?)\b))*+(?:</\1\s*+>)?",
    re.IGNORECASE,
)

# 10<sup>6</sup> is not 106.
_POWER = re.compile(r"(?<=\d)<sup>(?=[-−–+]?\d)", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)(?:[\s/][^<>]*+)?+>")
_BLOCK_TAGS = (
    "p|div|blockquote|center|poem|hr|table|tr|td|th|caption|li|ul|ol|dl|dd|dt|h1|h2|h3|h4|h5|h6"
)
# All other tags of MediaWiki that show nothing themselves.
_INLINE_TAGS = (
    "a|abbr|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|link|mark|meta|q|rb|rp|rt|rtc|"
    "ruby|s|samp|small|span|strike|strong|sub|sup|time|tt|u|var|wbr|"
    "nowiki|noinclude|onlyinclude|includeonly|translate|tvar|langconvert"
)
_MARKS_OF_TAGS = {
    **dict.fromkeys(_INLINE_TAGS.split("|"), JOINT),
    **dict.fromkeys(_BLOCK_TAGS.split("|"), BREAK * 2),
    "br": BREAK,
}


def remove_comments(text: str) -> str:
    """The text without comments; the content of <nowiki> is protected from being markup."""
    return _LITERAL.sub(_replace_literal, text)


def _replace_literal(match: re.Match[str]) -> str:
    return "" if match[1] is None else f"{JOINT}{protect(match[1])}{JOINT}"


def remove_elements(text: str) -> str:
    """The text without elements that have no prose; of an unclosed one only the tag is removed."""
    found = _ELEMENT_TAG.finditer(text)
    # </ref name=x> ends nothing, as in MediaWiki.
    tags = [tag for tag in found if not (tag[1] and tag[3].strip(" \t\n/"))]
    return _cut(text, tags) if tags else text


def _cut(text: str, tags: list[re.Match[str]]) -> str:
    last_close = {tag[2].lower(): tag.start() for tag in tags if tag[1]}
    kept: list[str] = []
    position, inside, depth = 0, "", 0
    for tag in tags:
        name, is_close = tag[2].lower(), bool(tag[1])
        if inside:
            if name == inside and not tag[3].endswith("/"):
                depth += -1 if is_close else name == "table"
            if depth == 0:
                inside, position = "", tag.end()
            continue
        mark = SEAM if name in _INVISIBLE_ELEMENTS else GAP
        kept += (text[position : tag.start()], mark)
        position = tag.end()
        is_empty = is_close or tag[3].endswith("/")
        if not is_empty and last_close.get(name, -1) > tag.start():
            inside, depth = name, 1
    if not inside:
        kept.append(text[position:])
    return "".join(kept)


def remove_readings(text: str) -> str:
    """<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby> without the reading かん."""
    return _READING.sub("", text)


def remove_tags(text: str) -> str:
    """Replace tags by marks: for a line end, for nothing, and a gap for an unknown tag."""
    return _TAG.sub(_replace_tag, _POWER.sub("^", text))


def _replace_tag(match: re.Match[str]) -> str:
    return _MARKS_OF_TAGS.get(match[2].lower(), GAP)
