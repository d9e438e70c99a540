"""MediaWiki's language converter: -{zh-hans:计算机; zh-hant:電腦}- and its flags.

Of several variants the first is shown, whatever the wiki: it is what the author put first, it needs
no knowledge of a reader's settings, and the text around is not converted either. A rule itself,
and what is set for the rest of the page (-{H|…}-) or for its title (-{T|…}-), is never shown.
"""

from __future__ import annotations

import re

# Content may hold templates, and variants inside are replaced first.
_VARIANT = re.compile(r"-\{((?:[^{}]++|\{\{[^{}]*+\}\})*+)\}-")
_MAX_DEPTH = 10  # MediaWiki's own

_CODE = r"[a-z]{2,3}(?:-[a-z]{2,8})*"
_FLAGS = re.compile(rf"\s*(?:(?:[A-Z]|-|{_CODE})\s*(?:;\s*|(?=\|)))*\|")
_FIRST_RULE = re.compile(
    rf"\s*(?:[^;:=]*=>)?\s*{_CODE}\s*:(.*?)(?:;\s*(?:[^;:=]*=>\s*)?(?:{_CODE}\s*:|$)|$)", re.DOTALL
)
_HIDING_FLAGS = frozenset("THDN-")
# Wikis that have a converter. On others -{…}- is markup only where it reads as a rule.
_LANGUAGES = frozenset(
    ("ban", "crh", "gan", "iu", "kk", "ku", "mni", "sh", "shi", "sr", "tg", "tly", "uz", "wuu")
)


def choose_variants(text: str, language: str | None) -> str:
    """The text with one variant shown for each -{…}-.

    `language`: the wiki's; None where it is not known, then -{text}- is markup too.

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
    """What is shown for a -{content}-; `unmarked` where it has neither flags nor rules."""
    flags = _FLAGS.match(content)
    if flags:
        if _HIDING_FLAGS.intersection(re.split(r"[\s;|]+", flags[0])):
            return ""
        content = unmarked = content[flags.end() :]
    rule = _FIRST_RULE.match(content)
    return rule[1].strip() if rule else unmarked
