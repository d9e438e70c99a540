"""MediaWiki's language converter: -{zh-hans:计算机; zh-hant:電腦}- and its flags.

The first of several variants is shown, on any wiki: the author put it first, it does not depend on
a reader's settings, and the surrounding text is not converted either. Rules themselves, and
settings for the rest of the page (-{H|…}-) or for its title (-{T|…}-), are never shown.
"""

from __future__ import annotations

import re

# Content may include templates; inner variants are replaced first.
_VARIANT = re.compile(r"-\{((?:[^{}]++|\{\{[^{}]*+\}\})*+)\}-")
_MAX_DEPTH = 10  # MediaWiki's own

_CODE = r"[a-z]{2,3}(?:-[a-z]{2,8})*"
_FLAGS = re.compile(rf"\s*(?:(?:[A-Z]|-|{_CODE})\s*(?:;\s*|(?=\|)))*\|")
_FIRST_RULE = re.compile(
    rf"\s*+(?:[^;:=]*+=>)?+\s*+{_CODE}\s*+:"
    rf"(.*?)(?:;\s*+(?:[^;:=]*+=>\s*+)?+(?:{_CODE}\s*+:|$)|$)",
    re.DOTALL,
)
_HIDING_FLAGS = frozenset("THDN-")
# Wikis with a converter. On others -{…}- is markup only if it has the form of a rule.
_LANGUAGES = frozenset(
    ("ban", "crh", "gan", "iu", "kk", "ku", "mni", "sh", "shi", "sr", "tg", "tly", "uz", "wuu")
)


def choose_variants(text: str, language: str | None) -> str:
    """The text with one variant shown for each -{…}-.

    `language`: the wiki's; None if unknown: then -{text}- is markup too.

    choose_variants("-{zh-hans:计算机;zh-hant:電腦}-", "zh") -> "计算机"
    """
    has_converter = language is None or _has_converter(language)

    def choose(match: re.Match[str]) -> str:
        return _choose(match[1], match[0] if not has_converter else match[1])

    for _ in range(_MAX_DEPTH):
        text, count = _VARIANT.subn(choose, text)
        if not count:
            break
    return text


def _has_converter(language: str) -> bool:
    name = language.lower().partition("-")[0]
    return name in _LANGUAGES or name == "zh"


def _choose(content: str, unmarked: str) -> str:
    """What is shown for a -{content}-; `unmarked` if it has neither flags nor rules."""
    flags = _FLAGS.match(content)
    if flags:
        if _HIDING_FLAGS.intersection(re.split(r"[\s;|]+", flags[0])):
            return ""
        content = unmarked = content[flags.end() :]
    rule = _FIRST_RULE.match(content)
    return rule[1].strip() if rule else unmarked
