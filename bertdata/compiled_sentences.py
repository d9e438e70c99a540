"""Texts to sentences in compiled code: `split_paragraphs`, then Punkt, for many texts at once.

Compiled loops collapse white space, find the candidates of Punkt (a full stop, question or
exclamation mark before a space or before certain punctuation), and cut. Whether a candidate ends a
sentence depends on the word before it and the word after it, and words repeat: each distinct one
is described once, by NLTK's code in `bertdata.punkt`, and has a row in a table from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from bertdata.byte_table import (
    FULL,
    UNFOLDED,
    ByteArray,
    ByteTable,
    buffers_of,
    find_or_add,
    grown,
    holds_much,
    keys_from,
    make_table,
)
from bertdata.punkt import PunktDecisions

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SPACE, _NEW_LINE, _RETURN, _DASH = 0x20, 0x0A, 0x0D, 0x2D

# What a byte may be or begin.
_ASCII_SPACE, _LEAD_OF_SPACE, _SENTENCE_END, _PUNCTUATION, _CLOSING = 1, 2, 4, 8, 16


def _make_kinds() -> ByteArray:
    kinds = np.zeros(256, np.uint8)
    for characters, kind in (
        (b"\t\n\v\f\r\x1c\x1d\x1e\x1f ", _ASCII_SPACE),
        (b"\xc2\xe1\xe2\xe3", _LEAD_OF_SPACE),
        (b".?!", _SENTENCE_END),  # PunktLanguageVars.sent_end_chars
        (b""")";}]*:@'({[!?""", _PUNCTUATION),  # PunktLanguageVars._re_non_word_chars
        (b"\"')]}", _CLOSING),  # PunktLanguageVars.re_boundary_realignment; both with six quotes
    ):
        kinds[np.frombuffer(characters, np.uint8)] |= kind
    return kinds


_KINDS = _make_kinds()


class Candidates(NamedTuple):
    """Places that may end a sentence, in order.

    `cuts`: just after the mark; `nexts`: where the next sentence would start. `before`: row of the
    word up to the mark. `after`: row of the next word, or -1 where punctuation follows the mark;
    then `before` is the row of the word with that punctuation, in a table of its own.
    """

    cuts: Int64Array
    nexts: Int64Array
    before: Int32Array
    after: Int32Array


class PunktSplitter:
    """Splits many texts at once; what it remembers is bounded and changes no result."""

    def __init__(self, decisions: PunktDecisions) -> None:
        self._decide = decisions.is_break
        self._before = _Meanings(decisions.describe_before, np.int32)
        self._after = _Meanings(decisions.describe_after, np.int32)
        self._contexts = _Meanings(decisions.breaks_in, np.bool_)
        self._known: dict[int, bool] = {}

    def split(self, texts: pa.StringArray) -> pa.ListArray:
        """The sentences of each text: list<string>. No nulls; under 2 GB together."""
        data, offsets = buffers_of(texts)
        room = int(offsets[-1] - offsets[0]) + len(texts)
        text, ends = np.empty(room, np.uint8), np.empty(len(texts), np.int64)
        num_marks, num_paragraphs = _collapse(data, offsets, text, ends)
        candidates = self._find_candidates(text[: ends[-1]] if len(ends) else text, num_marks)
        is_break = self._decide_all(candidates)
        breaks = candidates.cuts[is_break], candidates.nexts[is_break]
        return _to_lists(text, ends, breaks, num_paragraphs + len(breaks[0]))

    def _find_candidates(self, text: ByteArray, num_marks: int) -> Candidates:
        sides = self._before, self._after, self._contexts
        for side in sides:
            side.forget_when_many()
        # A word has two candidates at most, and no more than it has marks.
        found = Candidates(
            cuts=np.empty(num_marks, np.int64),
            nexts=np.empty(num_marks, np.int64),
            before=np.empty(num_marks, np.int32),
            after=np.empty(num_marks, np.int32),
        )
        place = count = 0
        while place < len(text):
            before, after, contexts = (side.table for side in sides)
            place, count = _find_candidates(text, place, count, before, after, contexts, found)
            if place < len(text):
                self._make_room(text, place)
        for side in sides:
            side.learn()
        return Candidates._make(column[:count] for column in found)

    def _make_room(self, text: ByteArray, place: int) -> None:
        """Room for the words at `place`; which table is full does not matter."""
        num_bytes = _end_of_next_word(text, place) - place
        for side in (self._before, self._after, self._contexts):
            side.table = grown(side.table, num_bytes)

    def _decide_all(self, candidates: Candidates) -> BoolArray:
        is_break = np.empty(len(candidates.cuts), np.bool_)
        is_context = candidates.after < 0
        is_break[is_context] = self._contexts.values[candidates.before[is_context]]
        before = self._before.values[candidates.before[~is_context]].astype(np.int64)
        after = self._after.values[candidates.after[~is_context]]
        pairs, places = np.unique(before << 32 | after, return_inverse=True)
        is_break[~is_context] = np.array(list(map(self._decide_pair, pairs.tolist())), np.bool_)[
            places
        ]
        return is_break

    def _decide_pair(self, pair: int) -> bool:
        decision = self._known.get(pair)
        if decision is None:
            decision = self._known[pair] = self._decide(pair >> 32, pair & 0xFFFFFFFF)
        return decision


class _Meanings:
    """A table of words and what each means, worked out once."""

    def __init__(self, explain: Callable[[str], int], dtype: type[np.generic]) -> None:
        self._explain = explain
        self.table = make_table()
        self.values = np.empty(0, dtype)

    def forget_when_many(self) -> None:
        """Empty the table when it holds much. Rows given out before then mean nothing any more."""
        if holds_much(self.table):
            self.table = make_table()
            self.values = self.values[:0]

    def learn(self) -> None:
        """Explain the rows that are new."""
        new = keys_from(self.table, len(self.values)).to_pylist()
        meanings = np.array([self._explain(word) for word in new], self.values.dtype)
        self.values = np.concatenate([self.values, meanings])


def _to_lists(
    text: ByteArray, ends: Int64Array, breaks: tuple[Int64Array, Int64Array], most: int
) -> pa.ListArray:
    """Cut each text at its paragraphs and breaks into at most `most` sentences in all."""
    offsets = np.zeros(most + 1, np.int32)
    counts = np.zeros(len(ends) + 1, np.int32)
    number = _cut(text, ends, *breaks, offsets, counts)
    # The sentences now lie at the front of `text`, in a row.
    values = pa.py_buffer(text[: offsets[number]])
    sentences = pa.StringArray.from_buffers(number, pa.py_buffer(offsets[: number + 1]), values)
    return pa.ListArray.from_arrays(pa.array(counts), sentences)


@njit(cache=True, nogil=True)
def _collapse(
    data: ByteArray, offsets: Int32Array, out: ByteArray, ends: Int64Array
) -> tuple[int, int]:
    """Write each text with single spaces in it, a line feed after each paragraph; see `ends`.

    Text t ends, with its last line feed, at `ends[t]`. Returns how many marks that may end a
    sentence were met, and how many paragraphs, empty texts counted as one.
    """
    at = num_marks = num_paragraphs = 0
    for text in range(len(ends)):
        begin, place, stop = at, offsets[text], offsets[text + 1]
        while place < stop:
            byte = data[place]
            kind = _KINDS[byte]
            if kind & (_ASCII_SPACE | _LEAD_OF_SPACE) == 0 or _space_width(data, place) == 0:
                num_marks += (kind & _SENTENCE_END) != 0
                out[at] = byte
                at, place = at + 1, place + 1
                continue
            place, num_line_ends = _pass_space(data, place, stop)
            if at > begin and place < stop:
                out[at] = _NEW_LINE if num_line_ends > 1 else _SPACE
                num_paragraphs += num_line_ends > 1
                at += 1
        out[at] = _NEW_LINE
        at, num_paragraphs = at + 1, num_paragraphs + 1
        ends[text] = at
    return num_marks, num_paragraphs


@njit(cache=True, inline="always")
def _pass_space(data: ByteArray, place: int, stop: int) -> tuple[int, int]:
    """Where white space at `place` ends, and how many line ends it has; CR LF is one."""
    start, num_line_ends = place, 0
    while place < stop:
        width = _space_width(data, place)
        if width == 0:
            break
        if width > 1:
            num_line_ends += _is_long_line_end(data, place)
        elif data[place] == _RETURN:
            num_line_ends += 1
        elif data[place] == _NEW_LINE:
            num_line_ends += place == start or data[place - 1] != _RETURN
        place += width
    return place, num_line_ends


@njit(cache=True, inline="always")
def _space_width(data: ByteArray, place: int) -> int:
    """Bytes of the white space character at `place`, in UTF-8; 0 when it is none."""
    byte = data[place]
    if _KINDS[byte] & _ASCII_SPACE:
        return 1
    if byte == 0xC2:  # next line, no-break space
        return 2 if data[place + 1] == 0x85 or data[place + 1] == 0xA0 else 0
    if byte == 0xE1:  # Ogham space mark
        return 3 if data[place + 1] == 0x9A and data[place + 2] == 0x80 else 0
    if byte == 0xE3:  # ideographic space
        return 3 if data[place + 1] == 0x80 and data[place + 2] == 0x80 else 0
    if byte != 0xE2:
        return 0
    second, third = data[place + 1], data[place + 2]
    if second == 0x80:  # U+2000 to U+200A, line and paragraph separator, narrow no-break space
        return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0  # medium mathematical space


@njit(cache=True, inline="always")
def _is_long_line_end(data: ByteArray, place: int) -> bool:
    """Whether a white space character of several bytes is a line end: NEL, U+2028, U+2029."""
    if data[place] == 0xC2:
        return bool(data[place + 1] == 0x85)
    is_general = data[place] == 0xE2 and data[place + 1] == 0x80
    return bool(is_general and (data[place + 2] == 0xA8 or data[place + 2] == 0xA9))


@njit(cache=True, nogil=True)
def _find_candidates(
    text: ByteArray,
    place: int,
    count: int,
    before: ByteTable,
    after: ByteTable,
    contexts: ByteTable,
    found: Candidates,
) -> tuple[int, int]:
    """Candidates of the words from `place` on, as number `count` and so on of `found`.

    As in NLTK a word's last candidate counts, and one that begins it. Returns where it stopped,
    at a word when a table was full, and how many candidates there are.
    """
    while place < len(text):
        start, last, number = place, -1, count
        while text[place] != _SPACE and text[place] != _NEW_LINE:
            if _KINDS[text[place]] & _SENTENCE_END and _is_candidate(text, place + 1):
                if last == start:
                    number = _note(text, start, last, number, before, after, contexts, found)
                last = place
            place += 1
        if last >= 0 and number >= 0:
            number = _note(text, start, last, number, before, after, contexts, found)
        if number < 0:
            return start, count
        place, count = place + 1, number
    return place, count


@njit(cache=True, inline="always")
def _is_candidate(text: ByteArray, following: int) -> bool:
    return text[following] == _SPACE or _punctuation_width(text, following, _PUNCTUATION) > 0


@njit(cache=True, inline="always")
def _punctuation_width(text: ByteArray, place: int, kind: int) -> int:
    """Bytes of the punctuation at `place` if it is of a kind, or one of six quotes; else 0."""
    byte = text[place]
    if byte < 0x80:
        return 1 if _KINDS[byte] & kind else 0
    if byte == 0xC2:  # guillemets
        return 2 if text[place + 1] == 0xAB or text[place + 1] == 0xBB else 0
    if byte != 0xE2 or text[place + 1] != 0x80:
        return 0
    third = text[place + 2]  # single and double quotation marks, left and right
    return 3 if third == 0x98 or third == 0x99 or third == 0x9C or third == 0x9D else 0


@njit(cache=True, inline="always")
def _note(
    text: ByteArray,
    start: int,
    mark: int,
    number: int,
    before: ByteTable,
    after: ByteTable,
    contexts: ByteTable,
    found: Candidates,
) -> int:
    """Note the candidate whose word begins at `start`; the next number, or FULL."""
    cut = mark + 1
    following = FULL
    if text[cut] == _SPACE:
        next_start = cut + 1
        stop = next_start
        while text[stop] != _SPACE and text[stop] != _NEW_LINE:
            stop += 1
        row = find_or_add(before, text, start, cut, UNFOLDED)
        following = find_or_add(after, text, next_start, stop, UNFOLDED)
        is_full = row == FULL or following == FULL
    else:
        next_start = cut
        stop = cut + _punctuation_width(text, cut, _PUNCTUATION)
        row = find_or_add(contexts, text, start, stop, UNFOLDED)
        is_full = row == FULL
    if is_full:
        return FULL
    found.cuts[number] = cut
    found.nexts[number] = next_start
    found.before[number] = row
    found.after[number] = following
    return number + 1


@njit(cache=True)
def _end_of_next_word(text: ByteArray, place: int) -> int:
    """Where the word after the one at `place` ends."""
    for _ in range(2):
        while place < len(text) and text[place] != _SPACE and text[place] != _NEW_LINE:
            place += 1
        place = min(place + 1, len(text))
    return place


@njit(cache=True, nogil=True)
def _cut(
    text: ByteArray,
    ends: Int64Array,
    cuts: Int64Array,
    nexts: Int64Array,
    offsets: Int32Array,
    counts: Int32Array,
) -> int:
    """Move the sentences to the front of `text`; number of sentences, their offsets, and counts.

    A closing quote or bracket that would begin a sentence goes to the end of the one before.
    `counts[t + 1]`: sentences up to text t.
    """
    number = at = place = mark = 0
    for index in range(len(ends)):
        while place < ends[index]:
            stop = place
            while text[stop] != _NEW_LINE:
                stop += 1
            start, end, span = place, place, place
            while True:
                is_last = mark == len(cuts) or cuts[mark] > stop
                span_end = stop if is_last else cuts[mark]
                if span > place:
                    closing, resume = _find_closing(text, span, span_end)
                    at = _move(text, start, span + closing if closing else end, at)
                    start = resume if closing else span
                    number = _end_sentence(offsets, number, at)
                end = span_end
                if is_last:
                    break
                span = nexts[mark]
                mark += 1
            at = _move(text, start, end, at)
            number = _end_sentence(offsets, number, at)
            place = stop + 1
        counts[index + 1] = number
    return number


@njit(cache=True, inline="always")
def _find_closing(text: ByteArray, start: int, stop: int) -> tuple[int, int]:
    """How many bytes of closing marks at `start` the sentence before gets; where this one begins.

    NLTK's rule: as few as stand before a space, two dashes or the end; else none.
    """
    place = start
    while place < stop:
        width = _punctuation_width(text, place, _CLOSING)
        if width == 0:
            break
        place += width
        if place == stop:
            return place - start, place
        if text[place] == _SPACE:
            return place - start, place + 1
        if place + 1 < stop and text[place] == _DASH and text[place + 1] == _DASH:
            return place - start, place
    return 0, start


@njit(cache=True, inline="always")
def _move(text: ByteArray, start: int, stop: int, at: int) -> int:
    for place in range(start, stop):
        text[at] = text[place]
        at += 1
    return at


@njit(cache=True, inline="always")
def _end_sentence(offsets: Int32Array, number: int, at: int) -> int:
    """Let a sentence end at `at`, unless it is empty."""
    if at == offsets[number]:
        return number
    offsets[number + 1] = at
    return number + 1
