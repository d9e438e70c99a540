"""The decisions of NLTK's Punkt, with the `punkt_tab` parameters that the package `punkt` carries.

NLTK's `PunktSentenceTokenizer` spends its time deciding like cases again and again. A decision
depends on the word before a full stop and the word after it, and of these only on what Kiss and
Strunk's rules look at ("Unsupervised Multilingual Sentence Boundary Detection", 2006). So words
get a number by that, and NLTK's own code decides once for each pair of numbers.

NLTK also puts a limit of five seconds of wall-clock time on each of its searches, so that a long
paragraph or a busy machine can end in an error. What a document's sentences are must not depend on
the clock: the classes here are NLTK's without that limit.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable

from nltk import redos
from nltk.tokenize.punkt import (
    PunktLanguageVars,
    PunktParameters,
    PunktSentenceTokenizer,
    PunktToken,
)

BREAKS_INSIDE = 0


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


class PunktDecisions:
    """What NLTK's rules say of words around a full stop.

    A word is described by a number: equal for words that the rules cannot tell apart.
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

    def describe_before(self, word: str) -> int:
        """The kind of a word up to and with a mark; BREAKS_INSIDE where one before it decides."""
        if word[-1] == "." and word[:-1].isalpha():
            return self._before.number(self._features_of_letters_before(word[:-1]), word)
        tokens = self._annotate(word)
        if any(token.sentbreak for token in tokens[:-1]):
            return BREAKS_INSIDE
        return self._before.number(self._features_before(tokens[-1]), tokens[-1].tok)

    def describe_after(self, word: str) -> int:
        """The kind of the word that follows; BREAKS_INSIDE where a mark in it decides."""
        if (letters := word.removesuffix(",")).isalpha():
            return self._after.number(self._features_of_letters_after(letters), letters)
        tokens = self._annotate(word)
        if any(token.sentbreak for token in tokens[:-1]):
            return BREAKS_INSIDE
        first = self._first_pass(tokens[0].tok)
        return self._after.number(self._features_after(first), first.tok)

    def breaks_in(self, context: str) -> bool:
        """Whether a sentence ends inside a word: it goes up to the punctuation after its mark."""
        return bool(self._nltk.text_contains_sentbreak(context))

    def is_break(self, before: int, after: int) -> bool:
        """Whether a sentence ends between words of these kinds."""
        if BREAKS_INSIDE in (before, after):
            return True
        first = self._first_pass(self._before.examples[before])
        second = self._first_pass(self._after.examples[after])
        self._nltk._second_pass_annotation(first, second)
        return bool(first.sentbreak)

    def _annotate(self, word: str) -> list[PunktToken]:
        return list(self._nltk._annotate_tokens(self._nltk._tokenize_words(word)))

    def _first_pass(self, text: str) -> PunktToken:
        token = UntimedToken(text)
        self._nltk._first_pass_annotation(token)
        return token

    def _features_of_letters_before(self, letters: str) -> Hashable:
        """What `_features_before` gives for a word of letters with a full stop."""
        kind = letters.lower()
        is_abbreviation = kind in self._parameters.abbrev_types
        collocation = kind if kind in self._first_types else None
        is_initial = len(letters) == 1
        return True, not is_abbreviation, is_abbreviation, False, is_initial, False, collocation

    def _features_of_letters_after(self, word: str) -> Hashable:
        """What `_features_after` gives for a word of letters."""
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
    """Numbers of the features that were met, from 1 on, and a token that has them."""

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
