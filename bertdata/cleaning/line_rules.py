"""Published rules for single lines of web text, by name: a line is kept, changed or dropped.

`c4`: Raffel et al., "Exploring the Limits of Transfer Learning" (2020), section 2.2. A line is kept
if it ends in a full stop, exclamation mark, question mark or closing quotation mark (but not in an
ellipsis, as in the published code), has five words or more, has no word of over 1,000 characters
(as in the published code), and mentions neither JavaScript nor cookies, privacy policies or terms
of use. Citation marks such as [1] are removed. C4's rules for whole pages are the rule `c4` of
`bertdata.cleaning.quality_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MIN_WORDS = 5
_MAX_WORD_CHARACTERS = 1000
_ENDS = (".", "!", "?", '"', "”")
_ELLIPSES = ("...", "…")
_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_POLICIES = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def _keep_c4_line(line: str) -> str:
    """The line without citation marks; "" if it is dropped."""
    line = _CITATION.sub("", line).strip()
    if not line.endswith(_ENDS) or line.endswith(_ELLIPSES):
        return ""
    words = line.split()
    if len(words) < _MIN_WORDS or max(map(len, words)) > _MAX_WORD_CHARACTERS:
        return ""
    lower = line.lower()
    return "" if any(policy in lower for policy in _POLICIES) else line


LINE_RULES: dict[str, Callable[[str], str]] = {"c4": _keep_c4_line}
