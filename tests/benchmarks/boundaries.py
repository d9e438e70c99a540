"""`python -m tests.benchmarks.boundaries FOLDER`: sentence boundaries beside NLTK's, by language.

FOLDER holds `<code>.jsonl.gz`: documents with `id`, `text` and `spans` of their gold sentences.
Rows of one id are one document. Ends of documents are given away, so they do not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTrainer

from bertdata.sentences.punkt import UntimedLanguageVars, UntimedToken, load_parameters
from bertdata.sentences.punkt_training import train_parameters, write_parameters
from bertdata.sentences.splitter import TRAIN, load_splitter
from tests.benchmarks.tables import Row, Table, to_text

# Of our languages the one to use, and whose model plain NLTK is given.
CHOICES = {
    "en": ("english", "english"),
    "de": ("german", "german"),
    "tr": ("turkish", "turkish"),
    "zh": ("chinese", "english"),
    "th": ("thai", "english"),
    "ko": (TRAIN, "english"),
}

Split = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class GoldDocument:
    """A text without white space at its ends, and where its sentences end, but for the last."""

    text: str
    ends: frozenset[int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.boundaries")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=Path, default=Path("runs/boundaries"))
    options = parser.parse_args(arguments)
    print(to_text(compare(options.folder, options.models)))
    return 0


def compare(folder: Path, models: Path) -> Table:
    """F1 of our choice for each language, of a model trained on the texts, and of NLTK for both."""
    rows = [_row(code, read_gold(folder / f"{code}.jsonl.gz"), models) for code in CHOICES]
    return Table(
        title="F1 of sentence boundaries",
        rows=tuple(rows),
        note="NLTK: with its model of the language, or the English one where it has none.",
    )


def read_gold(path: Path) -> list[GoldDocument]:
    """The documents of a file in order."""
    texts: dict[str, str] = {}
    ends: dict[str, set[int]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            before = texts.get(row["id"], "")
            texts[row["id"]] = before + row["text"]
            found = ends.setdefault(row["id"], set())
            found.update(len(before) + stop for _, stop in row["spans"])
    return [
        GoldDocument(text.rstrip(), frozenset(ends[name] - {len(text.rstrip())}))
        for name, text in texts.items()
    ]


def boundary_f1(documents: Iterable[GoldDocument], split: Split) -> float:
    """F1 of the ends of sentences inside documents; 0 when none is found."""
    right = found = gold = 0
    for document in documents:
        ends = find_ends(document.text, split(document.text))
        right += len(ends & document.ends)
        found += len(ends)
        gold += len(document.ends)
    return 2 * right / (found + gold) if right else 0.0


def find_ends(text: str, sentences: Iterable[str]) -> set[int]:
    """Where the sentences end in the text they were split from, but for its own end."""
    ends, position = set(), 0
    for sentence in sentences:
        for character in sentence:
            if not character.isspace():
                position = text.index(character, position) + 1
        ends.add(position)
    return ends - {len(text)}


def _row(code: str, documents: list[GoldDocument], models: Path) -> Row:
    language, nltk_language = CHOICES[code]
    texts = [document.text for document in documents]
    model = models / f"{code}.json"
    write_parameters(model, train_parameters(texts))
    trained = load_splitter(TRAIN, model).split
    ours = trained if language == TRAIN else load_splitter(language).split
    return {
        "corpus": code,
        "language": language,
        "bertdata": boundary_f1(documents, ours),
        "NLTK": boundary_f1(documents, _nltk(load_parameters(nltk_language))),
        "bertdata, trained": boundary_f1(documents, trained),
        "NLTK, trained": boundary_f1(documents, _nltk(_train_nltk(texts))),
    }


def _nltk(parameters: object) -> Split:
    tokenizer = PunktSentenceTokenizer(
        parameters, lang_vars=UntimedLanguageVars(), token_cls=UntimedToken
    )
    split: Split = tokenizer.tokenize
    return split


def _train_nltk(texts: Sequence[str]) -> object:
    trainer = PunktTrainer(lang_vars=UntimedLanguageVars(), token_cls=UntimedToken)
    trainer.train("\n\n".join(texts), finalize=True)
    return trainer.get_params()


if __name__ == "__main__":
    raise SystemExit(main())
