"""Text to paragraphs.

Two line ends with only white space between them end a paragraph, and so a sentence. Inside a
paragraph each run of white space becomes one space, so that wrapped lines never end a sentence.
Line ends are LF, CR LF, CR, NEL and Unicode's line and paragraph separators. Form feeds are
ordinary white space, because they occur at page breaks inside sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Possessive: the two halves of CR LF are never two line ends.
_LINE_END = "(?:\\r\\n?+|[\\n\\x85\\u2028\\u2029])"
_BLANK_LINES = re.compile(rf"{_LINE_END}(?:[^\S\r\n\x85\u2028\u2029]*+{_LINE_END})++")


def split_paragraphs(text: str) -> Iterator[str]:
    r"""The paragraphs of a text, none empty, each run of white space one space.

    "A\nb.\n \nC." -> "A b.", "C."

    This is the definition; `bertdata.sentences.compiled` is its fast equal.
    """
    for paragraph in _BLANK_LINES.split(text):
        if collapsed := " ".join(paragraph.split()):
            yield collapsed
