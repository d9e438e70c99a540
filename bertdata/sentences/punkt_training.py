"""A Punkt model of a corpus's own language, by NLTK's trainer, from a sample of its paragraphs.

Two things differ from plain NLTK. Hangul syllables count as the letters they consist of: Punkt
takes short words before full stops for abbreviations, and counted in syllables all Korean verbs
are short. And a word that often ends paragraphs is not an abbreviation, because the end of a
paragraph is the end of a sentence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from nltk.tokenize.punkt import PunktParameters, PunktTrainer

from bertdata.config import Table
from bertdata.errors import damaged_file, missing_file
from bertdata.grouping import fill_groups
from bertdata.randomness import CounterSource, stable_hash
from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.punkt import OrthographicContexts, UntimedLanguageVars, UntimedToken
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from bertdata.storage.writing import write_json

_CHUNK_CHARACTERS = 1 << 20
_MAX_FINAL_SHARE = 0.05  # share of an abbreviation's full stops that may end a paragraph

_HANGUL = re.compile("[\uac00-\ud7a3]+")


def sample_paragraphs(text: str, source: str, document: str, rate: float) -> Iterator[str]:
    """About a share `rate` of a document's paragraphs, the same ones in every run.

    The random key includes the text, because ids may repeat.
    """
    draws = CounterSource(stable_hash(source, document, text))
    for paragraph in split_paragraphs(text):
        if draws.random() < rate:
            yield paragraph


def train_parameters(paragraphs: Iterable[str]) -> PunktParameters:
    """What NLTK's trainer learns from paragraphs, read a megabyte at a time."""
    trainer = PunktTrainer(lang_vars=UntimedLanguageVars(), token_cls=UntimedToken)
    total, final = Counter[str](), Counter[str]()
    for chunk in fill_groups(paragraphs, _CHUNK_CHARACTERS, len):
        for paragraph in chunk:
            _count_stops(paragraph, total, final)
        trainer.train(_spell_out("\n\n".join(chunk)), finalize=False)
    trainer.finalize_training()
    parameters = _put_together(trainer.get_params())
    parameters.abbrev_types = {
        word for word in parameters.abbrev_types if final[word] <= _MAX_FINAL_SHARE * total[word]
    }
    return parameters


def write_parameters(path: Location, parameters: PunktParameters) -> None:
    """Write a model as JSON, everything sorted."""
    table = {
        "abbrev_types": sorted(parameters.abbrev_types),
        "collocations": sorted(map(list, parameters.collocations)),
        "sent_starters": sorted(parameters.sent_starters),
        "ortho_context": dict(sorted(parameters.ortho_context.items())),
    }
    write_json(path, table)


def read_parameters(path: Location) -> PunktParameters:
    """Read a model that `write_parameters` wrote. Raises DataError."""
    try:
        return _from_table(json.loads(read_bytes(path)))
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged_file(f"{path} is not a Punkt model ({first_line(error)})") from error


def _from_table(table: Table) -> PunktParameters:
    parameters = PunktParameters()
    parameters.abbrev_types = {str(word) for word in table["abbrev_types"]}
    parameters.collocations = {(str(a), str(b)) for a, b in table["collocations"]}
    parameters.sent_starters = {str(word) for word in table["sent_starters"]}
    parameters.ortho_context = OrthographicContexts(
        (str(word), int(flags)) for word, flags in table["ortho_context"].items()
    )
    return parameters


def _count_stops(paragraph: str, total: Counter[str], final: Counter[str]) -> None:
    words = paragraph.lower().split()
    total.update(word[:-1] for word in words if word.endswith("."))
    if words and words[-1].endswith("."):
        final[words[-1][:-1]] += 1


def _spell_out(text: str) -> str:
    return _HANGUL.sub(lambda match: unicodedata.normalize("NFD", match[0]), text)


def _put_together(parameters: PunktParameters) -> PunktParameters:
    """The parameters with Hangul syllables composed again."""
    whole = PunktParameters()
    whole.abbrev_types = set(map(_compose, parameters.abbrev_types))
    whole.collocations = {(_compose(a), _compose(b)) for a, b in parameters.collocations}
    whole.sent_starters = set(map(_compose, parameters.sent_starters))
    whole.ortho_context = OrthographicContexts(
        (_compose(word), flags) for word, flags in parameters.ortho_context.items()
    )
    return whole


_JAMO = re.compile("[\u1100-\u11ff]+")


def _compose(word: str) -> str:
    return _JAMO.sub(lambda match: unicodedata.normalize("NFC", match[0]), word)
