"""Sentences of scripts that Punkt does not know, by rule.

Chinese: a sentence ends after 。！？!?｡… (several count as one) and the closing quotes and brackets
that follow; a straight quotation mark counts as closing if one is open. A Latin or fullwidth full
stop ends a sentence after a Han character if white space or the end follows.

Japanese: the same, but not inside 「」『』（）, and not if hiragana or a comma follows the closing
bracket, as in 「そうです。」と言った。 A bracket still open after 400 characters is ignored.

Thai has neither full stops nor spaces between words; spaces separate clauses as well as sentences.
A sentence ends after ! ? … ๚ ๛ if white space follows, between a closing and an opening quotation
mark, and at the first space after 600 characters; otherwise with its paragraph.

Scripts with full stops of their own: a sentence ends after these, and after ! ? ؟ if white space or
the end follows, together with the closing marks that follow. A Latin full stop ends a sentence only
in Arabic and Persian, after a word of two letters or more and before white space; elsewhere it
marks abbreviations, as in डॉ. शर्मा.
Hindi, Marathi, Nepali and Bengali: । ॥. Urdu: ۔. Armenian: ։. Amharic: ። ፧. Khmer: ។ ៕.
Burmese: ။. Arabic and Persian: the Latin one, and ۔.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa

from bertdata.sentences.paragraphs import split_paragraphs

MAX_BRACKET_CHARACTERS = 400  # characters
MAX_THAI_CHARACTERS = 600

_CLOSING = "”’」』）】》〉〕］｝)\\]}"
_HAN = "\u3005\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_STOP = rf"(?:[。！？!?｡…]++|(?<=[{_HAN}])[.．](?=\s|$))"
_EAST_ASIAN_END = re.compile(rf"{_STOP}[{_CLOSING}]*+[\"']?")
_JAPANESE_OPEN, _JAPANESE_CLOSE = "「『（", "」』）"
_GOES_ON = re.compile(r"[\u3041-\u309f、，]")
_THAI_END = re.compile(rf"(?<![!?…๚๛])[!?…๚๛]++[\"'{_CLOSING}]*+(?=\s)|[”](?=[“])|(?P<space> )")


class RuleSplitter:
    """Splits texts into paragraphs, and these where a rule says.

    `find_ends`: the ends of sentences in a paragraph; text after the last end is a sentence too.
    """

    def __init__(self, find_ends: Callable[[str], Iterator[int]]) -> None:
        self._find_ends = find_ends

    def split(self, texts: pa.StringArray) -> pa.ListArray:
        """The sentences of each text, list<string>: in order, never empty."""
        sentences = [list(self._split_text(text)) for text in texts.to_pylist()]
        return pa.array(sentences, pa.list_(pa.string()))

    def _split_text(self, text: str) -> Iterator[str]:
        for paragraph in split_paragraphs(text):
            start = 0
            for end in (*self._find_ends(paragraph), len(paragraph)):
                if sentence := paragraph[start:end].strip():
                    yield sentence
                start = end


def _find_chinese_ends(paragraph: str) -> Iterator[int]:
    """Where sentences of a Chinese paragraph end."""
    return _find_ends(_EAST_ASIAN_END, paragraph)


def _find_ends(pattern: re.Pattern[str], paragraph: str) -> Iterator[int]:
    start = 0
    for match in pattern.finditer(paragraph):
        end = match.end()
        if paragraph[end - 1] in "\"'" and _opens(paragraph, start, end - 1):
            end -= 1
        yield end
        start = end


def _find_japanese_ends(paragraph: str) -> Iterator[int]:
    """Where sentences of a Japanese paragraph end."""
    start = looked = depth = 0
    for match in _EAST_ASIAN_END.finditer(paragraph):
        end = match.end()
        depth += _count(paragraph, _JAPANESE_OPEN, looked, end)
        depth -= _count(paragraph, _JAPANESE_CLOSE, looked, end)
        looked, depth = end, max(0, depth)
        is_closed = paragraph[end - 1] in _JAPANESE_CLOSE
        if depth and end - start < MAX_BRACKET_CHARACTERS:
            continue
        if is_closed and _GOES_ON.match(paragraph, end):
            continue
        yield end
        start, depth = end, 0


def _find_thai_ends(paragraph: str) -> Iterator[int]:
    """Where sentences of a Thai paragraph end."""
    start = 0
    for match in _THAI_END.finditer(paragraph):
        if match["space"] is None or match.start() - start >= MAX_THAI_CHARACTERS:
            yield match.end()
            start = match.end()


def _stops(own: str) -> Callable[[str], Iterator[int]]:
    """The rule of a script whose own full stops `own` matches."""
    others = rf"(?<![!?؟])[!?؟]++(?=[{_CLOSING}\"']*+(?:\s|$))"
    return partial(_find_ends, re.compile(rf"(?:(?:{own})++|{others})[{_CLOSING}]*+[\"']?"))


_ARABIC_STOP = r"۔|(?<=\w\w)\.(?=\s|$)"

RULES: dict[str, Callable[[str], Iterator[int]]] = {
    **dict.fromkeys(("hindi", "marathi", "nepali", "bengali"), _stops("[।॥]")),
    **dict.fromkeys(("arabic", "persian"), _stops(_ARABIC_STOP)),
    "urdu": _stops("۔"),
    "armenian": _stops("։"),
    "amharic": _stops("[።፧]"),
    "khmer": _stops("[។៕]"),
    "burmese": _stops("။"),
    "chinese": _find_chinese_ends,
    "japanese": _find_japanese_ends,
    "thai": _find_thai_ends,
}


def _opens(paragraph: str, start: int, position: int) -> bool:
    """Whether a straight quotation mark opens: the number of marks before it is even."""
    return paragraph.count(paragraph[position], start, position) % 2 == 0


def _count(text: str, characters: str, start: int, end: int) -> int:
    return sum(text.count(character, start, end) for character in characters)
