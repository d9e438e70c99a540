"""The decisions of NLTK's Punkt, with the `punkt_tab` parameters that the package `punkt` carries.

NLTK's `PunktSentenceTokenizer` decides equal cases again and again. A decision depends only on
those features of the word before a full stop and of the word after it that the rules of Kiss and
Strunk use ("Unsupervised Multilingual Sentence Boundary Detection", 2006). So words with equal
features share a number, and NLTK's own code decides once per pair of numbers.

NLTK also limits each of its searches to five seconds of wall-clock time, so that a long paragraph
or a busy machine can end in an error. The sentences of a document must not depend on the clock: the
classes here are NLTK's without that limit.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable
from functools import cache

import regex
from nltk import redos
from nltk.tokenize.punkt import (
    PunktLanguageVars,
    PunktParameters,
    PunktSentenceTokenizer,
    PunktToken,
)

_BREAKS_INSIDE = 0

_MARKS = frozenset(PunktLanguageVars.sent_end_chars)


def _untimed(timed: redos.TimedPattern) -> regex.Pattern[str]:
    """The pattern inside NLTK's time limit, compiled by the same engine."""
    return regex.compile(timed.pattern, timed.flags)


class UntimedLanguageVars(PunktLanguageVars):  # type: ignore[misc]
    """NLTK's regular expressions without a time limit."""

    __slots__ = ("_period_context", "_word_tokenizer")
    re_boundary_realignment = _untimed(PunktLanguageVars.re_boundary_realignment)

    def __init__(self) -> None:
        self._period_context = _untimed(super().period_context_re())
        self._word_tokenizer = _untimed(super()._word_tokenizer_re())

    def period_context_re(self) -> regex.Pattern[str]:
        return self._period_context

    def _word_tokenizer_re(self) -> regex.Pattern[str]:
        return self._word_tokenizer


class UntimedToken(PunktToken):  # type: ignore[misc]
    """NLTK's token without a time limit."""

    __slots__ = ()
    _RE_ELLIPSIS = _untimed(PunktToken._RE_ELLIPSIS)
    _RE_NUMERIC = _untimed(PunktToken._RE_NUMERIC)
    _RE_INITIAL = _untimed(PunktToken._RE_INITIAL)
    _RE_ALPHA = _untimed(PunktToken._RE_ALPHA)


class OrthographicContexts(dict[str, int]):
    """Word type to flags. Unlike NLTK's defaultdict it does not grow with each unknown word."""

    def __missing__(self, key: str) -> int:
        return 0


class PunktDecisions:
    """The decisions of NLTK's rules about words around a full stop.

    A word is described by a number, which is equal for words that the rules treat alike.
    """

    def __init__(self, parameters: PunktParameters) -> None:
        self._parameters = parameters
        self._nltk = PunktSentenceTokenizer(
            parameters, lang_vars=UntimedLanguageVars(), token_cls=UntimedToken
        )
        self._first_types = {first for first, _ in parameters.collocations}
        self._second_types = {second for _, second in parameters.collocations}
        self._before = _Kinds()
        self._after = _Kinds()
        self._kind_of_mark_before = cache(self._describe_mark_before)
        self._kind_of_mark_after = cache(self._describe_mark_after)
        self._decisions: dict[tuple[int, int], bool] = {}

    def describe_before(self, word: str) -> int:
        """The kind of a word with a mark at its end; BREAKS_INSIDE if an earlier mark decides."""
        if word[:-1].isalpha():
            if word[-1] == ".":
                return self._before.number(self._features_of_letters_before(word[:-1]), word)
            # A question or exclamation mark is a token of its own: the letters do not matter.
            return self._kind_of_mark_before(word[-1])
        tokens = self._annotate(word)
        if any(token.sentbreak for token in tokens[:-1]):
            return _BREAKS_INSIDE
        return self._before.number(self._features_before(tokens[-1]), tokens[-1].tok)

    def describe_after(self, word: str) -> int:
        """The kind of the word that follows; BREAKS_INSIDE if a mark in it decides."""
        has_mark = not _MARKS.isdisjoint(word)
        letters = word.removesuffix(",") if has_mark else word.partition("'")[0].removesuffix(",")
        if letters.isalpha():
            return self._after.number(self._features_of_letters_after(letters), letters)
        if has_mark and any(token.sentbreak for token in self._annotate(word)[:-1]):
            return _BREAKS_INSIDE
        first = self._first_pass(self._first_token(word))
        return self._after.number(self._features_after(first), first.tok)

    def breaks_in(self, context: str) -> bool:
        """Whether a sentence ends inside a word, given up to the punctuation after its mark."""
        if context[:-2].isalpha():
            # Letters with a mark, then a punctuation mark, which is a token of its own.
            before, after = (
                self.describe_before(context[:-1]),
                self._kind_of_mark_after(context[-1]),
            )
            return self.is_break(before, after)
        return bool(self._nltk.text_contains_sentbreak(context))

    def is_break(self, before: int, after: int) -> bool:
        """Whether a sentence ends between words of these kinds."""
        decision = self._decisions.get((before, after))
        if decision is None:
            decision = self._decisions[before, after] = self._decide(before, after)
        return decision

    def _decide(self, before: int, after: int) -> bool:
        if _BREAKS_INSIDE in (before, after):
            return True
        first = self._first_pass(self._before.examples[before])
        second = self._first_pass(self._after.examples[after])
        self._nltk._second_pass_annotation(first, second)
        return bool(first.sentbreak)

    def _first_token(self, word: str) -> str:
        return str(self._nltk._lang_vars._word_tokenizer_re().search(word).group())

    def _describe_mark_before(self, mark: str) -> int:
        return self._before.number(self._features_before(self._first_pass(mark)), mark)

    def _describe_mark_after(self, mark: str) -> int:
        return self._after.number(self._features_after(self._first_pass(mark)), mark)

    def _annotate(self, word: str) -> list[PunktToken]:
        return list(self._nltk._annotate_tokens(self._nltk._tokenize_words(word)))

    def _first_pass(self, text: str) -> PunktToken:
        token = UntimedToken(text)
        self._nltk._first_pass_annotation(token)
        return token

    def _features_of_letters_before(self, letters: str) -> Hashable:
        """The result of `_features_before` for a word of letters with a full stop."""
        kind = letters.lower()
        is_abbreviation = kind in self._parameters.abbrev_types
        collocation = kind if kind in self._first_types else None
        is_initial = len(letters) == 1
        return True, not is_abbreviation, is_abbreviation, False, is_initial, False, collocation

    def _features_of_letters_after(self, word: str) -> Hashable:
        """The result of `_features_after` for a word of letters."""
        first, kind = word[0], word.lower()
        case = "lower" if first.islower() else "upper" if first.isupper() else "none"
        flags = self._parameters.ortho_context.get(kind, 0)
        collocation = kind if kind in self._second_types else None
        return False, case, flags, kind in self._parameters.sent_starters, collocation

    def _features_before(self, token: PunktToken) -> Hashable:
        kind = token.type_no_period
        return (
            bool(token.period_final),
            bool(token.sentbreak),
            bool(token.abbr),
            bool(token.ellipsis),
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


class _Kinds:
    """A number for each combination of features, from 1 on, and a token that has it."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self.examples = [""]

    def number(self, features: Hashable, token: str) -> int:
        number = self._numbers.get(features)
        if number is None:
            number = self._numbers[features] = len(self.examples)
            self.examples.append(token)
        return number


def load_parameters(language: str) -> PunktParameters:
    """The tables of `punkt_tab` in NLTK's own types."""
    tables = importlib.import_module(f"punkt.data.{language}")
    parameters = PunktParameters()
    parameters.abbrev_types = set(tables.ABBREV_TYPES)
    parameters.collocations = set(tables.COLLOCATIONS)
    parameters.sent_starters = set(tables.SENT_STARTERS)
    parameters.ortho_context = OrthographicContexts(tables.ORTHO_CONTEXT)
    return parameters
