"""NLTK's Punkt with the `punkt_tab` parameters that the package `punkt` carries, made quick.

`PunktTokenizer.split` gives exactly what NLTK's `PunktSentenceTokenizer` gives, whose time goes
into deciding like cases again and again. Here a decision is remembered under all that it depends
on: of the word before a full stop and the word after it only what Kiss and Strunk's rules look at
("Unsupervised Multilingual Sentence Boundary Detection", 2006). What is not yet known NLTK's own
code decides.

NLTK also puts a limit of five seconds of wall-clock time on each of its searches, so that a long
paragraph or a busy machine can end in an error. What a document's sentences are must not depend on
the clock: the classes here are NLTK's without that limit.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, TypeVar

from nltk import redos
from nltk.tokenize.punkt import (
    PunktLanguageVars,
    PunktParameters,
    PunktSentenceTokenizer,
    PunktToken,
)

_MOST_REMEMBERED = 1 << 18  # words: some tens of MB
_LONGEST_REMEMBERED = 64  # characters of a word

Value = TypeVar("Value")


class UntimedLanguageVars(PunktLanguageVars):  # type: ignore[misc]
    """NLTK's regular expressions without a time limit."""

    __slots__ = ()
    re_boundary_realignment = redos.compile(PunktLanguageVars.re_boundary_realignment, timeout=None)

    def period_context_re(self) -> redos.TimedPattern:
        return redos.compile(super().period_context_re(), timeout=None)

    def _word_tokenizer_re(self) -> redos.TimedPattern:
        return redos.compile(super()._word_tokenizer_re(), timeout=None)


class UntimedToken(PunktToken):  # type: ignore[misc]
    """NLTK's token without a time limit."""

    __slots__ = ()
    _RE_ELLIPSIS = redos.compile(PunktToken._RE_ELLIPSIS, timeout=None)
    _RE_NUMERIC = redos.compile(PunktToken._RE_NUMERIC, timeout=None)
    _RE_INITIAL = redos.compile(PunktToken._RE_INITIAL, timeout=None)
    _RE_ALPHA = redos.compile(PunktToken._RE_ALPHA, timeout=None)


class OrthographicContexts(dict[str, int]):
    """Word type to flags. Unlike NLTK's defaultdict it does not grow with each unknown word."""

    def __missing__(self, key: str) -> int:
        return 0


class Side(NamedTuple):
    """The word before or after a candidate: what decisions about it depend on.

    `breaks_inside`: it has a boundary of its own, which alone decides.
    `token`: its token next to the candidate. `features`: all that the rules ask of that token.
    """

    breaks_inside: bool
    token: str
    features: Hashable


class PunktTokenizer:
    """Splits paragraphs of one language into sentences."""

    def __init__(self, parameters: PunktParameters) -> None:
        self._parameters = parameters
        self._nltk = PunktSentenceTokenizer(
            parameters, lang_vars=UntimedLanguageVars(), token_cls=UntimedToken
        )
        # The standard library's engine finds the same and is several times faster.
        variables = self._nltk._lang_vars
        self._candidates = re.compile(variables.period_context_re().pattern, re.VERBOSE)
        self._realignment = re.compile(variables.re_boundary_realignment.pattern, re.MULTILINE)
        self._first_types = {first for first, _ in parameters.collocations}
        self._second_types = {second for _, second in parameters.collocations}
        self._before: dict[str, Side] = {}
        self._after: dict[str, Side] = {}
        self._contexts: dict[str, bool] = {}
        self._decisions: dict[tuple[Hashable, Hashable], bool] = {}

    def split(self, paragraph: str) -> list[str]:
        """The sentences of a paragraph without white space but single spaces between words."""
        spans = self._realign(paragraph, self._find_spans(paragraph))
        return [paragraph[start:stop] for start, stop in spans if start < stop]

    def _find_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Sentences before realignment: closing quotes still begin the next one."""
        start = 0
        for word_start, match in self._find_candidates(text):
            if self._is_break(text[word_start : match.end()], match):
                yield start, match.end()
                start = match.start("next_tok") if match["next_tok"] else match.end()
        yield start, len(text)

    def _find_candidates(self, text: str) -> Iterator[tuple[int, re.Match[str]]]:
        """(start of its word, candidate) of the last candidate of each word that has one.

        As in NLTK, one that begins its word counts too, though others follow in that word.
        """
        previous, word_start, previous_start = None, 0, 0
        for match in self._candidates.finditer(text):
            space = text.rfind(" ", previous_start, match.start())
            if previous is not None and (space >= 0 or word_start == previous_start):
                yield word_start, previous
            if space >= 0:
                word_start = space + 1
            previous, previous_start = match, match.start()
        if previous is not None:
            yield word_start, previous

    def _is_break(self, word: str, match: re.Match[str]) -> bool:
        following = match["next_tok"]
        if following is None:
            return _recall(self._contexts, word + match["after_tok"], self._decide_context)
        before = _recall(self._before, word, self._describe_before)
        after = _recall(self._after, following, self._describe_after)
        if before.breaks_inside or after.breaks_inside:
            return True
        key = (before.features, after.features)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decisions[key] = self._decide(before.token, after.token)
        return decision

    def _decide_context(self, context: str) -> bool:
        return bool(self._nltk.text_contains_sentbreak(context))

    def _decide(self, before: str, after: str) -> bool:
        first, second = (self._first_pass(token) for token in (before, after))
        self._nltk._second_pass_annotation(first, second)
        return bool(first.sentbreak)

    def _describe_before(self, word: str) -> Side:
        tokens = list(self._nltk._annotate_tokens(self._nltk._tokenize_words(word)))
        breaks_inside = any(token.sentbreak for token in tokens[:-1])
        return Side(breaks_inside, tokens[-1].tok, self._features_before(tokens[-1]))

    def _describe_after(self, word: str) -> Side:
        tokens = list(self._nltk._annotate_tokens(self._nltk._tokenize_words(word)))
        breaks_inside = any(token.sentbreak for token in tokens[:-1])
        first = self._first_pass(tokens[0].tok)
        return Side(breaks_inside, first.tok, self._features_after(first))

    def _first_pass(self, text: str) -> PunktToken:
        token = UntimedToken(text)
        self._nltk._first_pass_annotation(token)
        return token

    def _features_before(self, token: PunktToken) -> Hashable:
        kind = token.type_no_period
        return (
            token.period_final,
            token.sentbreak,
            token.abbr,
            token.ellipsis,
            bool(token.is_initial),
            kind == "##number##",
            kind if kind in self._first_types else None,
        )

    def _features_after(self, token: PunktToken) -> Hashable:
        kind = token.type_no_sentperiod
        return (
            token.tok in self._nltk.PUNCTUATION,
            token.first_case,
            self._parameters.ortho_context.get(kind, 0),
            kind in self._parameters.sent_starters,
            kind if kind in self._second_types else None,
        )

    def _realign(self, text: str, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Closing quotes and brackets that begin a sentence go to the end of the one before."""
        start, stop = next(spans)
        for next_start, next_stop in spans:
            match = self._realignment.match(text, next_start, next_stop)
            if match:
                yield start, next_start + len(match.group().rstrip())
                start = match.end()
            else:
                yield start, stop
                start = next_start
            stop = next_stop
        yield start, stop


def load_tokenizer(language: str) -> PunktTokenizer:
    """The tokenizer with the parameters of a language of `punkt_tab`."""
    return PunktTokenizer(load_parameters(language))


def load_parameters(language: str) -> PunktParameters:
    """The tables of `punkt_tab` in NLTK's own types."""
    tables = importlib.import_module(f"punkt.data.{language}")
    parameters = PunktParameters()
    parameters.abbrev_types = set(tables.ABBREV_TYPES)
    parameters.collocations = set(tables.COLLOCATIONS)
    parameters.sent_starters = set(tables.SENT_STARTERS)
    parameters.ortho_context = OrthographicContexts(tables.ORTHO_CONTEXT)
    return parameters


def _recall(known: dict[str, Value], word: str, make: Callable[[str], Value]) -> Value:
    """known[word], made when missing; bounded, for corpora have no end of words."""
    value = known.get(word)
    if value is None:
        value = make(word)
        if len(word) <= _LONGEST_REMEMBERED:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            known[word] = value
    return value
