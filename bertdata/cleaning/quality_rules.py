"""Published rules for the quality of web text, by name, with their published thresholds.

`gopher-quality`, `gopher-repetition`: Rae et al., "Scaling Language Models: Methods, Analysis &
Insights from Training Gopher" (2021), tables A1 and A2 of its appendix. `c4`: Raffel et al.,
"Exploring the Limits of Transfer Learning" (2020), section 2.2, its rules for whole pages; its
rules for lines are in `bertdata.cleaning.line_rules`, its list of bad words is the user's to
provide, and `duplicate_sentences` does per sentence what it does per span of three sentences.
`fineweb`: Penedo et al., "The FineWeb Datasets" (2024), its three filters.

A rule takes a text and returns what is wrong with it, or "". Words are separated by white space,
and lines are not blank; so the rules suit languages with spaces between words. `gopher-quality`
expects English words; the others accept the punctuation of many scripts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

_STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_BULLETS = ("•", "‣", "▪", "*", "-", "–", "●", "◦", "·")
_ENDS = (".", "!", "?", '"', "'", "”", "’", "…", "。", "！", "？", "」", "』", "؟", "।", ";", ":")
# A run of marks is looked at once, from its start.
_SENTENCE_END = re.compile(r"(?<![.!?。！？؟।])[.!?。！？؟।]++[\"'”’)\]]*+(?=\s|$)|[。！？]")

_TOP_NGRAMS = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def _check_gopher_quality(text: str) -> str:
    """50 to 100,000 words, of 3 to 10 characters on average, 80% with a letter, two stop words;
    at most 0.1 symbols (# and ellipses) a word, 90% bullets, 30% lines that end in an ellipsis.
    """
    words = text.split()
    if not 50 <= len(words) <= 100_000:
        return f"{len(words):,} words, not 50 to 100,000"
    lines = _lines(text)
    shares = (
        ("characters a word", sum(map(len, words)) / len(words), 3, 10),
        ("hash signs a word", text.count("#") / len(words), 0, 0.1),
        ("ellipses a word", (text.count("...") + text.count("…")) / len(words), 0, 0.1),
        ("of lines with bullets", _share(lines, lambda line: line.startswith(_BULLETS)), 0, 0.9),
        ("of lines with ellipses", _share(lines, lambda line: line.endswith(("...", "…"))), 0, 0.3),
        ("of words with letters", _share(words, _has_letter), 0.8, 1),
    )
    for name, value, low, high in shares:
        if not low <= value <= high:
            return f"{value:.2f} {name}, not {low:g} to {high:g}"
    found = _STOP_WORDS.intersection(word.lower().strip(".,;:!?\"'()") for word in words)
    return "" if len(found) >= 2 else f"{len(found)} of the stop words, not 2"


def _check_gopher_repetition(text: str) -> str:
    """At most 30% duplicate lines and paragraphs, with 20% of the characters; of the characters
    20, 18, 16% in the most frequent 2-, 3-, 4-gram, and 15 to 10% in repeated 5- to 10-grams.
    """
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    for name, parts in (("lines", _lines(text)), ("paragraphs", paragraphs)):
        count, characters = _duplicates(parts)
        if count > 0.30 * len(parts):
            return f"{count / len(parts):.2f} of {name} are duplicates, over 0.30"
        if characters > 0.20 * len(text):
            return f"{characters / len(text):.2f} of characters in duplicate {name}, over 0.20"
    words = text.split()
    for size, limit in _TOP_NGRAMS.items():
        if (share := _top_ngram(words, size) / max(1, len(text))) > limit:
            return f"{share:.2f} of characters in the top {size}-gram, over {limit:g}"
    for size, limit in _DUPLICATE_NGRAMS.items():
        if (share := _repeated_ngrams(words, size) / max(1, len(text))) > limit:
            return f"{share:.2f} of characters in repeated {size}-grams, over {limit:g}"
    return ""


def _check_c4(text: str) -> str:
    """Three sentences at least, no curly bracket, no "lorem ipsum"."""
    lower = text.lower()
    for sign in ("lorem ipsum", "{"):
        if sign in lower:
            return f"it holds {sign!r}"
    sentences = sum(1 for _ in _first(_SENTENCE_END.finditer(text), 3))
    return "" if sentences >= 3 else f"{sentences} sentences, not 3"


def _check_fineweb(text: str) -> str:
    """Over 12% of lines end in punctuation, under 10% of characters are in duplicate lines, under
    67% of lines are shorter than 30 characters.
    """
    lines = _lines(text)
    if not lines:
        return "no line"
    if (share := _share(lines, lambda line: line.endswith(_ENDS))) <= 0.12:
        return f"{share:.2f} of lines end in punctuation, not over 0.12"
    if (share := _duplicates(lines)[1] / sum(map(len, lines))) >= 0.1:
        return f"{share:.2f} of characters in duplicate lines, not under 0.1"
    if (share := _share(lines, lambda line: len(line) < 30)) >= 0.67:
        return f"{share:.2f} of lines shorter than 30 characters, not under 0.67"
    return ""


RULES: dict[str, Callable[[str], str]] = {
    "gopher-quality": _check_gopher_quality,
    "gopher-repetition": _check_gopher_repetition,
    "c4": _check_c4,
    "fineweb": _check_fineweb,
}


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _share(parts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, parts)) / max(1, len(parts))


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


def _duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts repeat an earlier one, and their characters."""
    again = [part for part, count in Counter(parts).items() for _ in range(count - 1)]
    return len(again), sum(map(len, again))


def _top_ngram(words: Sequence[str], size: int) -> int:
    """The characters in all occurrences of the most frequent n-gram that occurs twice."""
    counts = Counter(zip(*(words[start:] for start in range(size))))
    limit = max(counts.values(), default=0)
    if limit < 2:
        return 0
    longest = max(sum(map(len, ngram)) for ngram, count in counts.items() if count == limit)
    return longest * limit


def _repeated_ngrams(words: Sequence[str], size: int) -> int:
    """The characters in repetitions of earlier n-grams; no character is counted twice."""
    seen: set[tuple[str, ...]] = set()
    characters = position = 0
    while position + size <= len(words):
        ngram = tuple(words[position : position + size])
        if ngram in seen:
            characters += sum(map(len, ngram))
            position += size
        else:
            seen.add(ngram)
            position += 1
    return characters


def _first(matches: Iterator[re.Match[str]], count: int) -> Iterator[re.Match[str]]:
    for _, match in zip(range(count), matches):
        yield match
