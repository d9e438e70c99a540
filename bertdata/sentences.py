"""Text to sentences: paragraphs at blank lines, then NLTK's Punkt in each.

White space: two line ends with nothing but white space between them end a paragraph, and with it
a sentence. Inside a paragraph every run of white space becomes one space, so that wrapped lines
never end a sentence. Line ends are LF, CR LF, CR, NEL and Unicode's line and paragraph separators;
form feeds are white space like any other, for they stand at page breaks, inside sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bertdata.errors import ConfigError

LANGUAGES = (
    "czech",
    "danish",
    "dutch",
    "english",
    "estonian",
    "finnish",
    "french",
    "german",
    "greek",
    "italian",
    "malayalam",
    "norwegian",
    "polish",
    "portuguese",
    "russian",
    "slovene",
    "spanish",
    "swedish",
    "turkish",
)

# Possessive: the two halves of CR LF are never two line ends.
_LINE_END = "(?:\\r\\n?+|[\\n\\x85\\u2028\\u2029])"
_BLANK_LINES = re.compile(rf"{_LINE_END}(?:[^\S\r\n\x85\u2028\u2029]*+{_LINE_END})++")

_RARE_LINE_ENDS = "\r\x85\u2028\u2029"
# The same where "\n" is the only line end, in half the time.
_PLAIN_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*+\n)++")

_LONG_PARAGRAPH = 1 << 20
_UNTIDY_SPACE = re.compile(r"[^\S ]\s*| \s+")


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencesConfig:
    """The `[sentences]` table. `language`: whose Punkt parameters to use, one of LANGUAGES."""

    language: str = "english"

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise ConfigError(f"no Punkt model for language {self.language!r}; there are {known}")


class SentenceSplitter:
    """Splits texts of one language; made by `load_splitter`."""

    def __init__(self, split_paragraph: Callable[[str], list[str]]) -> None:
        self._split_paragraph = split_paragraph

    def split(self, text: str) -> list[str]:
        """The sentences of a text, in order: stripped, never empty, single spaces inside.

        For each paragraph these are what NLTK's `PunktSentenceTokenizer` makes of it.
        """
        return [
            sentence
            for paragraph in split_paragraphs(text)
            for sentence in self._split_paragraph(paragraph)
        ]


def load_splitter(language: str) -> SentenceSplitter:
    """The splitter for one of LANGUAGES; takes up to 0.1 s. Raises ConfigError for any other."""
    # NLTK takes half a second to import: only who splits sentences waits for it.
    from bertdata.punkt import load_tokenizer

    config = SentencesConfig(language=language)
    return SentenceSplitter(load_tokenizer(config.language).split)


def split_paragraphs(text: str) -> Iterator[str]:
    r"""The paragraphs of a text, none empty, each run of white space one space.

    "A\nb.\n \nC." -> "A b.", "C."
    """
    has_rare_ends = any(end in text for end in _RARE_LINE_ENDS)
    for paragraph in (_BLANK_LINES if has_rare_ends else _PLAIN_BLANK_LINES).split(text):
        if collapsed := collapse_white_space(paragraph):
            yield collapsed


def collapse_white_space(text: str) -> str:
    """The text with each run of white space one space, and none at its ends."""
    if len(text) < _LONG_PARAGRAPH:
        return " ".join(text.split())
    # Its words one by one would take ten times the memory of the text.
    return _UNTIDY_SPACE.sub(" ", text).strip()
