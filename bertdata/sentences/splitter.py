"""Text to sentences: paragraphs at blank lines, then NLTK's Punkt, or a rule, in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from bertdata.errors import ConfigError
from bertdata.storage.locations import Location

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

# Scripts without full stops or spaces, or with other full stops; see `bertdata.sentences.rules`.
RULE_LANGUAGES = (
    "amharic",
    "arabic",
    "armenian",
    "bengali",
    "burmese",
    "chinese",
    "hindi",
    "japanese",
    "khmer",
    "marathi",
    "nepali",
    "persian",
    "thai",
    "urdu",
)
# A Punkt model trained on the corpus itself.
TRAIN = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencesConfig:
    """The `[sentences]` table.

    `language`: one of those whose Punkt models are published, one of those that are split by rules,
    or "train", which trains a Punkt model on the corpora.
    """

    language: str = "english"

    def __post_init__(self) -> None:
        if self.language not in (*LANGUAGES, *RULE_LANGUAGES, TRAIN):
            known = ", ".join((*LANGUAGES, *RULE_LANGUAGES))
            raise ConfigError(
                f"no Punkt model for language {self.language!r}; use one of {known}, "
                f'or "{TRAIN}", which makes one from the corpora'
            )


class SentenceSplitter:
    """Splits texts of one language; made by `load_splitter`."""

    def __init__(self, split_all: Callable[[pa.StringArray], pa.ListArray]) -> None:
        self._split_all = split_all

    def split_all(self, texts: pa.StringArray) -> pa.ListArray:
        """The sentences of each text, list<string>: in order, never empty, single spaces inside.

        For each paragraph they equal those of NLTK's `PunktSentenceTokenizer`. `texts`: no nulls,
        below 2 GB in total; fastest with about a megabyte at a time.
        """
        return self._split_all(texts)

    def split(self, text: str) -> list[str]:
        """The sentences of one text."""
        sentences: list[str] = self._split_all(pa.array([text], pa.string()))[0].as_py()
        return sentences


def load_splitter(language: str, model: Location | None = None) -> SentenceSplitter:
    """The splitter for a language; takes up to 0.1 s. Raises ConfigError for an unknown one.

    `model`: for "train", the file that `bertdata.sentences.punkt_training` wrote.
    """
    config = SentencesConfig(language=language)
    if config.language in RULE_LANGUAGES:
        from bertdata.sentences.rules import RULES, RuleSplitter

        return SentenceSplitter(RuleSplitter(RULES[config.language]).split)
    # NLTK takes half a second to import, so it is imported only when it is needed.
    from bertdata.sentences.compiled import PunktSplitter
    from bertdata.sentences.punkt import PunktDecisions, load_parameters
    from bertdata.sentences.punkt_training import read_parameters

    if config.language == TRAIN and model is None:
        raise ConfigError(f'language = "{TRAIN}" needs its model; give the punkt.json of a run')
    parameters = read_parameters(model) if model else load_parameters(config.language)
    return SentenceSplitter(PunktSplitter(PunktDecisions(parameters)).split)
