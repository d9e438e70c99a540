"""Texts to sentences in compiled code: `split_paragraphs`, then Punkt, for many texts at once.

Compiled loops collapse white space, find Punkt's candidates (a full stop, question or exclamation
mark before a space or before certain punctuation), and cut. Whether a candidate ends a sentence
depends on the words before and after it, and words repeat: each distinct word is described once, by
NLTK's code in `punkt`, and from then on looked up in a table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from bertdata.arrays import BoolArray, ByteArray, Int32Array, Int64Array
from bertdata.kernels.byte_table import ByteTable, buffers_of
from bertdata.kernels.compilation import inlined, kernel
from bertdata.sentences.punkt import PunktDecisions

_MAX_WORDS = 25_000  # remembered: words around full stops are few, and quickly described again

_SPACE, _NEW_LINE, _RETURN, _DASH = 0x20, 0x0A, 0x0D, 0x2D

# What a byte can be, or can begin; a byte may have several of these bits.
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


class _Candidates(NamedTuple):
    """Places that may end a sentence, in order.

    `starts`: start of the word; `cuts`: just after the mark; `stops`: after the punctuation that
    follows the mark, or equal to the cut if a space follows; `nexts`: where the next sentence would
    start.
    """

    starts: Int32Array
    cuts: Int32Array
    stops: Int32Array
    nexts: Int32Array


class PunktSplitter:
    """Splits many texts at once; its memory is bounded and does not change results."""

    def __init__(self, decisions: PunktDecisions) -> None:
        self._is_break = decisions.is_break
        self._before = _Meanings(decisions.describe_before)
        self._after = _Meanings(decisions.describe_after)
        self._contexts = _Meanings(decisions.breaks_in)

    def split(self, texts: pa.StringArray) -> pa.ListArray:
        """The sentences of each text: list<string>. No nulls; below 2 GB in total."""
        data, offsets = buffers_of(texts)
        room = int(offsets[-1] - offsets[0]) + len(texts)
        text, ends = np.empty(room, np.uint8), np.empty(len(texts), np.int64)
        num_marks, num_paragraphs = _collapse(data, offsets, text, ends)
        text = text[: ends[-1]] if len(ends) else text
        candidates = _allocate_candidates(num_marks)
        count = _find_candidates(text, candidates)
        candidates = _Candidates._make(column[:count] for column in candidates)
        is_break = self._decide_all(text, candidates)
        breaks = candidates.cuts[is_break], candidates.nexts[is_break]
        return _to_lists(text, ends, breaks, num_paragraphs + len(breaks[0]))

    def _decide_all(self, text: ByteArray, candidates: _Candidates) -> BoolArray:
        starts, cuts, stops, nexts = candidates
        is_break = np.empty(len(cuts), np.bool_)
        is_inside = stops > cuts
        is_break[is_inside] = self._contexts.of(text, starts[is_inside], stops[is_inside])
        is_between = ~is_inside
        before = self._before.of(text, starts[is_between], cuts[is_between])
        nexts = nexts[is_between]
        after = self._after.of(text, nexts, _find_word_ends(text, nexts))
        pairs, places = np.unique(before << 32 | after, return_inverse=True)
        kinds = zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist())
        decisions = np.array([self._is_break(*pair) for pair in kinds], np.bool_)
        is_break[is_between] = decisions[places]
        return is_break


class _Meanings:
    """Words and the meaning of each, a number computed once."""

    def __init__(self, explain: Callable[[str], int]) -> None:
        self._explain = explain
        self._table = ByteTable(_MAX_WORDS)
        self._values: Int64Array = np.empty(0, np.int64)

    def of(self, text: ByteArray, starts: Int32Array, stops: Int32Array) -> Int64Array:
        """The meaning of each word `text[start:stop]`."""
        if self._table.is_full:
            self._table, self._values = ByteTable(_MAX_WORDS), self._values[:0]
        rows = self._table.find_rows(text, starts, stops)
        new = self._table.keys_from(len(self._values)).to_pylist()
        meanings = np.array([self._explain(word) for word in new], np.int64)
        self._values = np.concatenate([self._values, meanings])
        return self._values[rows]


def _allocate_candidates(count: int) -> _Candidates:
    return _Candidates._make(np.empty(count, np.int32) for _ in _Candidates._fields)


def _to_lists(
    text: ByteArray, ends: Int64Array, breaks: tuple[Int32Array, Int32Array], max_sentences: int
) -> pa.ListArray:
    """Cut each text at its paragraphs and breaks into at most `max_sentences` sentences in all."""
    offsets = np.zeros(max_sentences + 1, np.int32)
    counts = np.zeros(len(ends) + 1, np.int32)
    number = _cut(text, ends, *breaks, offsets, counts)
    # The sentences are now at the front of `text`, one after the other.
    values = pa.py_buffer(text[: offsets[number]])
    sentences = pa.StringArray.from_buffers(number, pa.py_buffer(offsets[: number + 1]), values)
    return pa.ListArray.from_arrays(pa.array(counts), sentences)


@kernel
def _collapse(
    data: ByteArray, offsets: Int32Array, out: ByteArray, ends: Int64Array
) -> tuple[int, int]:
    """Write each text with single spaces and a line feed after each paragraph.

    Text t ends, with its last line feed, at `ends[t]`. Returns the number of marks that may end a
    sentence, and the number of paragraphs, where an empty text counts as one.

    `out` has room for one byte more per text than `data`: every byte that is kept is written once,
    a run of white space becomes one byte, and a text adds only its last line feed.
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
            # White space at either end of a text is dropped.
            if at > begin and place < stop:
                out[at] = _NEW_LINE if num_line_ends > 1 else _SPACE
                num_paragraphs += num_line_ends > 1
                at += 1
        out[at] = _NEW_LINE
        at, num_paragraphs = at + 1, num_paragraphs + 1
        ends[text] = at
    return num_marks, num_paragraphs


@inlined
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


@inlined
def _space_width(data: ByteArray, place: int) -> int:
    """Bytes of the white space character at `place`, in UTF-8; 0 if it is another character.

    Reading two bytes ahead is safe: only a lead byte of a longer character gets that far, and the
    text is valid UTF-8.
    """
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


@inlined
def _is_long_line_end(data: ByteArray, place: int) -> bool:
    """Whether a white space character of several bytes is a line end: NEL, U+2028, U+2029."""
    if data[place] == 0xC2:
        return bool(data[place + 1] == 0x85)
    is_general = data[place] == 0xE2 and data[place + 1] == 0x80
    return bool(is_general and (data[place + 2] == 0xA8 or data[place + 2] == 0xA9))


@kernel
def _find_candidates(text: ByteArray, found: _Candidates) -> int:
    """Note all candidates; returns their number.

    As in NLTK, a word has at most two: its last one, and one at the very start of the word.
    Every text ends in a line feed, so the inner loops stop before the end of `text`.
    """
    starts, cuts, stops, nexts = found
    place = count = 0
    while place < len(text):
        start, last = place, -1
        while text[place] != _SPACE and text[place] != _NEW_LINE:
            if _KINDS[text[place]] & _SENTENCE_END and _is_candidate(text, place + 1):
                # A later candidate of the word replaces the previous one, unless that begins it.
                if last >= 0 and last != start:
                    count -= 1
                last = place
                cut = place + 1
                is_between = text[cut] == _SPACE
                starts[count], cuts[count] = start, cut
                stops[count] = cut + _punctuation_width(text, cut, _PUNCTUATION)
                nexts[count] = cut + is_between
                count += 1
            place += 1
        place += 1
    return count


@njit(cache=True, nogil=True)
def _find_word_ends(text: ByteArray, starts: Int32Array) -> Int32Array:
    stops = np.empty_like(starts)
    for number, place in enumerate(starts):
        while text[place] != _SPACE and text[place] != _NEW_LINE:
            place += 1
        stops[number] = place
    return stops


@inlined
def _is_candidate(text: ByteArray, following: int) -> bool:
    return text[following] == _SPACE or _punctuation_width(text, following, _PUNCTUATION) > 0


@inlined
def _punctuation_width(text: ByteArray, place: int, kind: int) -> int:
    """Bytes of the punctuation at `place` if it is of this kind or one of six quotes, else 0."""
    byte = text[place]
    if byte < 0x80:
        return 1 if _KINDS[byte] & kind else 0
    if byte == 0xC2:  # guillemets
        return 2 if text[place + 1] == 0xAB or text[place + 1] == 0xBB else 0
    if byte != 0xE2 or text[place + 1] != 0x80:
        return 0
    third = text[place + 2]  # single and double quotation marks, left and right
    return 3 if third == 0x98 or third == 0x99 or third == 0x9C or third == 0x9D else 0


@kernel
def _cut(
    text: ByteArray,
    ends: Int64Array,
    cuts: Int32Array,
    nexts: Int32Array,
    offsets: Int32Array,
    counts: Int32Array,
) -> int:
    """Move the sentences to the front of `text`; returns their number.

    A closing quote or bracket at the start of a sentence is moved to the end of the one before it.
    `offsets`: filled with the bounds of the sentences. `counts[t + 1]`: sentences up to text t.

    Moving in place is safe: `at`, the end of what is written, never passes `start`, the first byte
    not yet moved, because sentences only lose the white space between them.
    """
    number = at = place = mark = 0
    for index in range(len(ends)):
        while place < ends[index]:
            stop = place
            while text[stop] != _NEW_LINE:
                stop += 1
            # [start, end): the sentence that is not yet written. `span`: where the next one begins.
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


@inlined
def _find_closing(text: ByteArray, start: int, stop: int) -> tuple[int, int]:
    """Bytes of closing marks at `start` for the sentence before, and where this one then begins.

    NLTK's rule: the shortest run of marks before a space, two dashes or the end; otherwise none.
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


@inlined
def _move(text: ByteArray, start: int, stop: int, at: int) -> int:
    for place in range(start, stop):
        text[at] = text[place]
        at += 1
    return at


@inlined
def _end_sentence(offsets: Int32Array, number: int, at: int) -> int:
    """End a sentence at `at`, unless it is empty; returns the number of sentences."""
    if at == offsets[number]:
        return number
    offsets[number + 1] = at
    return number + 1
